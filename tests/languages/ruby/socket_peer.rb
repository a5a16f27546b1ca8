# frozen_string_literal: true

# Echoes messages: a ROUTER that a DEALER in Python talks to. Prints its endpoint, then ends after so many messages.

require File.join(ARGV[0], 'everything_socket')
require File.join(ARGV[0], 'feed_socket')

$stdout.sync = true
context = CodecZmq::Context.new
router = context.socket(:router)
xpub = context.socket(:xpub)
[router, xpub].each do |socket|
  socket.set(:linger, 1000)
  socket.bind('tcp://127.0.0.1:*')
end
puts "#{router.last_endpoint} #{xpub.last_endpoint}"

refused = []
last = nil
Integer(ARGV[1]).times do
  received = EverythingSocket.receive(router)
  EverythingSocket.send_message(router, received.message, identity: received.identity)
  last = received.message
rescue Everything::DecodeError => e
  refused << "#{e.message} from #{e.identity}"
end
puts refused.join('; ')
begin
  EverythingSocket.send_message(router, last)
rescue ArgumentError => e
  puts e.message
end
begin
  EverythingSocket.receive(router, flags: CodecZmq::DONTWAIT)
rescue CodecZmq::Again => e
  puts e.message
end

subscription = FeedSocket.receive_subscription(xpub)
puts "#{subscription.subscribe} #{subscription.message::NAME} #{subscription.topic}"
FeedSocket.send_message(xpub, Feed::Tick.new(topic: "#{subscription.topic}/other", price: 1))
FeedSocket.send_message(xpub, Feed::Halt.new(topic: subscription.topic))
puts FeedSocket.receive_subscription(xpub).subscribe
[router, xpub].each(&:close)
context.close
