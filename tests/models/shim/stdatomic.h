/* SPDX-License-Identifier: MIT */
/*
 * <stdatomic.h> for models: every atomic operation of the code under test becomes a step of the explorer (explore.h).
 *
 * This directory stands first on the include path of a model, as a system directory. The compiler's own header gives
 * the types; what operates on them is defined anew here. Plain expressions on _Atomic objects (x = 1) would pass by:
 * the runtime has none.
 */
#ifndef EDO_MODELS_STDATOMIC_H
#define EDO_MODELS_STDATOMIC_H

#include_next <stdatomic.h>

#include "../explore.h"

#include <string.h>

#define MODEL_SITE      __FILE__, __LINE__, __func__
#define MODEL_VALUE(p)  __typeof__((void)0, *(p))
#define MODEL_MEMORY(p) ((volatile void *)(uintptr_t)(p))

/* A value as the 64 bits that the explorer moves about, and back. */
#define MODEL_BITS(type, value)                                                                                        \
    ({                                                                                                                 \
        type model_from = (type)(value);                                                                               \
        uint64_t model_to = 0;                                                                                         \
        memcpy(&model_to, &model_from, sizeof model_from);                                                             \
        model_to;                                                                                                      \
    })
#define MODEL_FROM_BITS(type, bits)                                                                                    \
    ({                                                                                                                 \
        uint64_t model_bits = (bits);                                                                                  \
        type model_value;                                                                                              \
        memcpy(&model_value, &model_bits, sizeof model_value);                                                         \
        model_value;                                                                                                   \
    })

#define MODEL_LOAD(p, order) MODEL_FROM_BITS(MODEL_VALUE(p), model_load(MODEL_MEMORY(p), sizeof *(p), MODEL_SITE))
#define MODEL_STORE(p, value, order)                                                                                   \
    model_store(MODEL_MEMORY(p), sizeof *(p), MODEL_BITS(MODEL_VALUE(p), value), (order) == __ATOMIC_SEQ_CST,          \
                MODEL_SITE)
#define MODEL_RMW(p, how, value)                                                                                       \
    MODEL_FROM_BITS(MODEL_VALUE(p),                                                                                    \
                    model_rmw(MODEL_MEMORY(p), sizeof *(p), how, MODEL_BITS(MODEL_VALUE(p), value), MODEL_SITE))
#define MODEL_CAS(p, expected, value)                                                                                  \
    model_cas(MODEL_MEMORY(p), sizeof *(p), (expected), MODEL_BITS(MODEL_VALUE(p), value), MODEL_SITE)

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_exchange_explicit
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak
#undef atomic_compare_exchange_weak_explicit
#undef atomic_fetch_add
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and
#undef atomic_fetch_and_explicit
#undef atomic_thread_fence
#undef atomic_init

#define atomic_init(p, value)                                           MODEL_STORE(p, value, __ATOMIC_RELAXED)
#define atomic_load(p)                                                  MODEL_LOAD(p, __ATOMIC_SEQ_CST)
#define atomic_load_explicit(p, order)                                  MODEL_LOAD(p, order)
#define atomic_store(p, value)                                          MODEL_STORE(p, value, __ATOMIC_SEQ_CST)
#define atomic_store_explicit(p, value, order)                          MODEL_STORE(p, value, order)
#define atomic_exchange(p, value)                                       MODEL_RMW(p, MODEL_EXCHANGE, value)
#define atomic_exchange_explicit(p, value, order)                       MODEL_RMW(p, MODEL_EXCHANGE, value)
#define atomic_fetch_add(p, value)                                      MODEL_RMW(p, MODEL_ADD, value)
#define atomic_fetch_add_explicit(p, value, order)                      MODEL_RMW(p, MODEL_ADD, value)
#define atomic_fetch_sub(p, value)                                      MODEL_RMW(p, MODEL_SUB, value)
#define atomic_fetch_sub_explicit(p, value, order)                      MODEL_RMW(p, MODEL_SUB, value)
#define atomic_fetch_or(p, value)                                       MODEL_RMW(p, MODEL_OR, value)
#define atomic_fetch_or_explicit(p, value, order)                       MODEL_RMW(p, MODEL_OR, value)
#define atomic_fetch_and(p, value)                                      MODEL_RMW(p, MODEL_AND, value)
#define atomic_fetch_and_explicit(p, value, order)                      MODEL_RMW(p, MODEL_AND, value)
#define atomic_compare_exchange_strong(p, old, value)                   MODEL_CAS(p, old, value)
#define atomic_compare_exchange_strong_explicit(p, old, value, yes, no) MODEL_CAS(p, old, value)
#define atomic_compare_exchange_weak(p, old, value)                     MODEL_CAS(p, old, value)
#define atomic_compare_exchange_weak_explicit(p, old, value, yes, no)   MODEL_CAS(p, old, value)
#define atomic_thread_fence(order)                                      model_fence((order) == __ATOMIC_SEQ_CST, MODEL_SITE)

#define __atomic_load_n(p, order)            MODEL_LOAD(p, order)
#define __atomic_store_n(p, value, order)    MODEL_STORE(p, value, order)
#define __atomic_exchange_n(p, value, order) MODEL_RMW(p, MODEL_EXCHANGE, value)
#define __atomic_fetch_add(p, value, order)  MODEL_RMW(p, MODEL_ADD, value)
#define __atomic_fetch_sub(p, value, order)  MODEL_RMW(p, MODEL_SUB, value)

#endif
