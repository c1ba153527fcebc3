# Stands for systemd: a socket of datagrams, each of which is printed as lines, and what would be asked of it confirmed.
use strict;
use warnings;
use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM);
$| = 1;
my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die $!;
print "listens\n";
while (defined $socket->recv(my $text, 65536)) { print "$text\n"; }
