// The codecs of the tests' models are generated beside the files of this folder, in a copy of it.
module conformance

go 1.21

require (
	github.com/pebbe/zmq4 v1.4.0
	zmqsocket v0.0.0
)

replace zmqsocket => ./zmqsocket
