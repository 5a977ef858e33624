/* SPDX-License-Identifier: MIT */
/* Words on x86-64, where each load is an acquire and each store a release: see word.h. */
static inline void edo_word_add(_Atomic uint64_t *word, uint64_t n)
{
    __asm__ volatile("addq %1, %0" : "+m"(*word) : "er"(n) : "cc");
}

static inline void edo_word_count(_Atomic uint64_t *word)
{
    __asm__ volatile("addq $1, %0" : "+m"(*word) : : "cc", "memory");
}

static inline bool edo_word_spend(_Atomic int32_t *word)
{
    bool below;

    __asm__ volatile("subl $1, %0" : "+m"(*word), "=@ccs"(below));
    return below;
}

static inline bool edo_word_has(_Atomic uint32_t *word, uint32_t bits)
{
    bool has;

    __asm__ volatile("testl %2, %1" : "=@ccnz"(has) : "m"(*word), "ir"(bits) : "memory");
    return has;
}

static inline bool edo_word_equals(const uint64_t *word, uint64_t value)
{
    bool equals;

    __asm__ volatile("cmpq %2, %1" : "=@cce"(equals) : "m"(*word), "er"(value) : "memory");
    return equals;
}

static inline bool edo_word_is(_Atomic bool *word)
{
    bool is;

    __asm__ volatile("cmpb $0, %1" : "=@ccne"(is) : "m"(*word) : "memory");
    return is;
}

#define EDO_WORD_SET(pointer)                                                                                          \
    (__extension__({                                                                                                   \
        bool edo_set_;                                                                                                 \
        __asm__ volatile("cmpq $0, %1" : "=@ccne"(edo_set_) : "m"(*(pointer)) : "memory");                             \
        edo_set_;                                                                                                      \
    }))
