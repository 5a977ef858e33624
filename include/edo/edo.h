/* SPDX-License-Identifier: MIT */
/*
 * The core of Edo in one header: tasks, scopes, time, streams, readers and writers, files, processes, signals.
 */
#ifndef EDO_EDO_H
#define EDO_EDO_H

#include <edo/addr.h>
#include <edo/base.h>
#include <edo/blocking.h>
#include <edo/broadcast.h>
#include <edo/channel.h>
#include <edo/copy.h>
#include <edo/dns.h>
#include <edo/datagram.h>
#include <edo/dump.h>
#include <edo/error.h>
#include <edo/file.h>
#include <edo/local.h>
#include <edo/frames.h>
#include <edo/memory.h>
#include <edo/metrics.h>
#include <edo/park.h>
#include <edo/pass.h>
#include <edo/process.h>
#include <edo/reader.h>
#include <edo/runtime.h>
#include <edo/scope.h>
#include <edo/select.h>
#include <edo/signal.h>
#include <edo/stream.h>
#include <edo/sync.h>
#include <edo/task.h>
#include <edo/time.h>
#include <edo/token.h>
#include <edo/trace.h>
#include <edo/writer.h>

#endif
