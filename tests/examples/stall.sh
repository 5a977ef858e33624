# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: MIT
#
# The example stall tells where it stalls; so does a copy without symbols, as well as it can.
stall=$programs/edo-example-stall

cat >"$dir/get.pl" <<'END'
use strict;
use IO::Socket::INET;
my ($port, $path) = @ARGV;
alarm 30;
my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die "connect: $!";
print $server "GET $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
print while <$server>;
END

# reports <program> <path>: gets the path from that program, until its stall has ended; $dir/told is what it told
reports() {
    : >"$dir/got" # not what the one before said: the program may start late
    : >"$dir/told"
    "$1" 127.0.0.1:0 >"$dir/got" 2>"$dir/told" &
    pid=$!
    until grep -q 'http://' "$dir/got"; do sleep 0.01; done
    perl "$dir/get.pl" "$(sed -n 's|^http://.*:\([0-9]*\)/$|\1|p' "$dir/got")" "$2" >"$dir/answer" 2>&1
    grep -q '200 OK' "$dir/answer" || cat "$dir/answer" >>"$dir/told"
    until grep -Eq "went on after|^[^e ]" "$dir/told"; do sleep 0.01; done
    kill -TERM $pid
    wait $pid
}

# Signals do not reach a task that computes under ThreadSanitizer, which keeps them back.
reports "$stall" /compute
grep -Eq '^edo: stall [0-9]+: task ".*" \(#[0-9]+\), spawned at .*, has computed on thread [0-9]+ for ' "$dir/told" &&
    grep -Eq '^  #[0-9]+  (compute|answer)[.a-z0-9]*\+0x|no backtrace: it did not answer' "$dir/told"
verdict "stall tells which function computes" $? "$dir/told"

reports "$stall" /block
grep -Eq '^edo: stall [0-9]+: .* has blocked its thread [0-9]+ for .*, in (clock_)?nanosleep' "$dir/told" &&
    grep -Eq '^  [#?][0-9]+  (block|answer)[.a-z0-9]*\+0x' "$dir/told"
verdict "stall tells which call blocks, and whose" $? "$dir/told"

if strip -o "$dir/stripped" "$stall" 2>"$dir/told"; then
    reports "$dir/stripped" /block
    grep -Eq '^  [#?][0-9]+  0x[0-9a-f]+  \(stripped\+0x[0-9a-f]+\)' "$dir/told"
    verdict "a stripped copy tells module and offset" $? "$dir/told"
fi

EDO_STALLS=1 EDO_STALL_US=1000 "$programs/edo-example-workers" 2 300000 >"$dir/got" 2>"$dir/told"
code=$?
[ "$code" = 0 ]
verdict "any program runs with EDO_STALLS" $? "$dir/told"
