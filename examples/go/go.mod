module records

go 1.21

require (
	github.com/pebbe/zmq4 v1.4.0
	zmqsocket v0.0.0
)

replace zmqsocket => ./wire/zmqsocket
