# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: MIT
#
# The example proxy relays both ways, closes where the target refuses, and ends gracefully.
# Between a client and a server of perl's (perl-base is on every Debian).
proxy=$programs/edo-example-proxy

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
