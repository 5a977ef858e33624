#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The examples hasher, supervisor and proxy do what they say. Usage: check.sh <hasher> <supervisor> <proxy>   (reports in TAP)
set -u
hasher=$1
supervisor=$2
proxy=$3
export LC_ALL=C
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
status=0
# verdict <what must hold> <status> <file with what was said>
verdict() {
    n=$((n + 1))
    if [ "$2" = 0 ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        sed 's/^/# /' "$3"
        status=1
    fi
}

# --- hasher: FNV-1a, 64 bits
mkdir -p "$dir/tree/deep/er" "$dir/tree/empty"
printf '' >"$dir/tree/nothing"
printf 'a' >"$dir/tree/deep/a"
printf 'foobar' >"$dir/tree/deep/er/foobar"
head -c 300000 /dev/zero >"$dir/tree/zeros"
cat >"$dir/wanted" <<END
af63dc4c8601ec8c  tree/deep/a
85944171f73967e8  tree/deep/er/foobar
cbf29ce484222325  tree/nothing
END
(cd "$dir" && "$hasher" tree) >"$dir/got" 2>&1
code=$?
[ "$code" = 0 ] && [ "$(wc -l <"$dir/got")" = 4 ] && grep -v zeros "$dir/got" | cmp -s - "$dir/wanted"
verdict "hasher hashes the files of a tree, in order" $? "$dir/got"

if "$hasher" "$dir/nowhere" >"$dir/got" 2>&1; then false; else grep -q 'no such file' "$dir/got"; fi
verdict "hasher tells what it cannot read" $? "$dir/got"

# --- supervisor
"$supervisor" "exit 0" "[ -e $dir/again ] || { touch $dir/again; exit 3; }" >"$dir/got" 2>&1
code=$?
[ "$code" = 0 ] && [ "$(grep -c 'exited with 3' "$dir/got")" = 1 ] && [ "$(grep -c 'exited with 0' "$dir/got")" = 2 ]
verdict "supervisor starts again what failed, and ends when all is well" $? "$dir/got"

# The commands say when they run, by a file; what they started holds a FIFO open, whose end tells that all are gone.
mkfifo "$dir/held"
"$supervisor" "sleep 1000 & touch $dir/up; wait" "trap '' TERM; touch $dir/deaf; while :; do sleep 1; done" \
    >"$dir/got" 2>&1 3>"$dir/held" &
pid=$!
exec 4<"$dir/held"
while [ ! -e "$dir/up" ] || [ ! -e "$dir/deaf" ]; do sleep 0.01; done
kill -HUP $pid
until grep -q 'ended by signal 15' "$dir/got"; do sleep 0.01; done
until [ "$(grep -c 'sleep 1000' "$dir/got")" = 2 ]; do sleep 0.01; done
kill -TERM $pid
wait $pid
code=$?
cat <&4 >/dev/null # waits until nobody holds the other end
[ "$code" = 0 ]
verdict "supervisor restarts by SIGHUP, and by SIGTERM ends them all, also who does not listen" $? "$dir/got"

# --- proxy, between a client and a server of perl's (perl-base is on every Debian)
cat >"$dir/between.pl" <<'END'
use strict;
use IO::Socket::INET;
my ($proxy, $what) = @ARGV;
my $bytes = join '', map { chr($_ * 7 % 251) } 1 .. 300000;
sub all { my ($from, $got) = (shift, ''); 1 while sysread $from, $got, 65536, length $got; $got }
sub put { my ($to, $left) = @_; while (length $left) { my $n = syswrite $to, $left or die "write: $!"; substr $left, 0, $n, '' } }
$SIG{ALRM} = sub { die "it hangs\n" };
alarm 30;
my $server = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', LocalPort => 0) or die "listen: $!";
my $target = $server->sockport;
close $server if $what eq 'refused';
my $pid = open my $said, '-|', $proxy, '127.0.0.1:0', "127.0.0.1:$target" or die "start: $!";
my ($port) = <$said> =~ /:(\d+)$/ or die "it does not listen\n";
my $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die "connect: $!";
if ($what eq 'refused') {
    die "there is something to read\n" if length all($client);
} else {
    my $peer = $server->accept;
    kill 'INT', $pid if $what eq 'graceful'; # what is connected goes on
    if (!fork) { put($client, $bytes); shutdown $client, 1; exit 0 }
    die "it is not what was sent\n" if all($peer) ne $bytes;
    put($peer, scalar reverse $bytes); # after the end of the other way
    close $peer;
    die "it is not what was answered\n" if all($client) ne reverse $bytes;
}
kill 'INT', $pid if $what ne 'graceful'; # a second one would kill
print all($said);
close $said or die "it ended with $?\n";
END
for what in relays refused graceful; do
    perl "$dir/between.pl" "$proxy" "$what" >"$dir/got" 2>&1
    code=$?
    case $what in
    refused) grep -q '^0 bytes there, 0 back: connection refused' "$dir/got" || code=1 ;;
    *) grep -q '^300000 bytes there, 300000 back: ended' "$dir/got" || code=1 ;;
    esac
    verdict "proxy: $what" $code "$dir/got"
done

echo "1..$n"
exit $status
