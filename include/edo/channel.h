/* SPDX-License-Identifier: MIT */
/*
 * Channels: values handed from task to task.
 *
 * A channel carries values of one size, which are copied: from the sender's memory into the channel, or straight into
 * that of a receiver that waits. Many may send and many receive; what is sent first is received first, and who has
 * waited for longest is served first. Tasks of any runtime use a channel, and plain threads too, which block where a
 * task would wait.
 *
 * Cancellation (rules C2, C3): a send that returns -ECANCELED leaves the value with the sender, a receive leaves it in
 * the channel. If completion and cancellation race, the operation has happened or it has not, and says which.
 *
 * Closing says that nothing more will come. Any party may close, whoever it suits; who else still sends gets -EPIPE,
 * and its value stays with it, also where it was waiting for room. What is in the channel by then can still be
 * received; after that receivers get -EPIPE. To pass several closing senders over, count them (a wait group), or let
 * the scope that waits for them close it.
 */
#ifndef EDO_CHANNEL_H
#define EDO_CHANNEL_H

#include <edo/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct edo_channel edo_channel;

/* As a capacity: as many as memory holds. Sends never wait; memory is given back when they have been received. */
#define EDO_UNBOUNDED SIZE_MAX

/*
 * Makes a channel for values of `size` bytes (0 to 64 KiB) that holds at most `capacity` of them; 0: none, so that a
 * send waits until a receiver takes its value (a rendezvous). 0 and a channel that is the caller's; -EINVAL: a size too
 * large; -ENOMEM, also for a capacity that no memory could hold. Any thread.
 */
EDO_API int edo_channel_create(edo_channel **out, size_t size, size_t capacity);

/*
 * Frees it, and what is in it; NULL is accepted. Nobody may wait in it, nor come to it any more; but whoever was told
 * by an operation that it is the last may destroy it at once, also while the other party has not returned from the
 * operation that told so. Any thread.
 */
EDO_API void edo_channel_destroy(edo_channel *channel);
EDO_AUTO_DEFINE(edo_channel *, edo_channel_destroy);

/*
 * Says that nothing more will be sent, and wakes all that wait. 0, also for NULL; -EALREADY: it was closed before.
 * Never waits. Any thread.
 */
EDO_API int edo_channel_close(edo_channel *channel);

/*
 * edo_send(channel, &value) and edo_recv(&value, channel): pass the value's size along, which must be the channel's.
 *
 * Send waits while the channel is full. 0: the value is in the channel, or a receiver has it. -EPIPE: it is closed;
 * -ECANCELED; -EINVAL: values of that channel have another size; -ENOMEM (unbounded channels). After an error the value
 * is still the sender's.
 *
 * Recv waits while it is empty. 0; -EPIPE: it is closed and empty; -ECANCELED, -EINVAL. After an error *value is as it
 * was.
 *
 * The try forms never wait: -EAGAIN. All from any task or thread; all are suspension points in a task.
 */
#define edo_send(channel, value)     edo_channel_send((channel), (value), sizeof *(value))
#define edo_recv(value, channel)     edo_channel_recv((value), (channel), sizeof *(value))
#define edo_try_send(channel, value) edo_channel_try_send((channel), (value), sizeof *(value))
#define edo_try_recv(value, channel) edo_channel_try_recv((value), (channel), sizeof *(value))
EDO_API int edo_channel_send(edo_channel *channel, const void *value, size_t size);
EDO_API int edo_channel_recv(void *value, edo_channel *channel, size_t size);
EDO_API int edo_channel_try_send(edo_channel *channel, const void *value, size_t size);
EDO_API int edo_channel_try_recv(void *value, edo_channel *channel, size_t size);

/* How many values are in it now; a hint, as others come and go. Whether it is closed. Any thread. */
EDO_API size_t edo_channel_count(edo_channel *channel);
EDO_API bool edo_channel_closed(edo_channel *channel);

#ifdef __cplusplus
}
#endif

#endif
