# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: MIT
#
# The example chat hands on what is said.
# Two clients, each with a FIFO to say things and a file of what it has heard.
chat=$programs/edo-example-chat
chat_client=$programs/edo-example-chat-client

# heard <who> <line>: waits until a client has heard a line
heard() {
    while ! grep -qxF "$2" "$dir/$1"; do sleep 0.01; done
}
"$chat" 127.0.0.1:0 >"$dir/chat" 2>&1 &
server=$!
while ! grep -q listening "$dir/chat"; do sleep 0.01; done
address=$(sed 's/.* //' "$dir/chat")
mkfifo "$dir/ann.in" "$dir/bob.in"
"$chat_client" "$address" <"$dir/ann.in" >"$dir/ann" 2>&1 &
ann=$!
"$chat_client" "$address" <"$dir/bob.in" >"$dir/bob" 2>&1 &
bob=$!
exec 5>"$dir/ann.in" 6>"$dir/bob.in"
echo ann >&5
heard ann "* welcome, ann"
echo ann >&6
heard bob "* that is no name, or somebody has it"
echo bob >&6
heard bob "* welcome, bob"
heard ann "* bob has come"
{
    echo "hello, bob"
    printf '%0500d\n' 0
    echo "/who"
} >&5
heard bob "ann: hello, bob"
heard ann "* that was too long"
heard ann "* ann is here"
heard ann "* bob is here"
echo "/quit" >&6
heard bob "* bye"
heard ann "* bob has left"
wait $bob
code=$?
[ "$code" = 0 ] && ! grep -q "000" "$dir/bob"
verdict "chat hands on what is said, and tells who comes, is there, and leaves" $? "$dir/bob"

kill -TERM $server
wait $server
code=$?
exec 5>&- 6>&-
wait $ann
[ "$code" = 0 ] && [ "$(tail -n 1 "$dir/ann")" = "* the room is closed" ]
verdict "chat tells everybody when it ends" $? "$dir/ann"
