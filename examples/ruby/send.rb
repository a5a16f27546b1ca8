# frozen_string_literal: true

# Sends ten log records to a collector. See README.md beside this file.

require 'securerandom'
require_relative 'wire/zre_log_msg_socket'

# A collector subscribes to this, and its UUID, when it is ready (protocol, section 5.3).
READY = "\x01".b + ZreLogMsg::SIGNATURE + "\xff".b
SEVERITIES = [
  ZreLogMsg::SEVERITY_INFO, ZreLogMsg::SEVERITY_DEBUG, ZreLogMsg::SEVERITY_WARN, ZreLogMsg::SEVERITY_ERROR
].freeze

def now
  Process.clock_gettime(Process::CLOCK_REALTIME, :nanosecond)
end

def connected(context, endpoint)
  context.socket(:xpub) do |socket|
    # The linger makes the last records arrive.
    options = { immediate: 1, xpub_nodrop: 1, linger: 10_000 }
    options.each { |option, value| socket.set(option, value) }
    socket.connect(endpoint)
    loop { break if socket.receive_frames.first.start_with?(READY) }
    yield socket
  end
end

endpoint, = ARGV
abort 'usage: ruby send.rb tcp://HOST:PORT' unless endpoint&.start_with?('tcp://')

node = SecureRandom.uuid
epoch = now
sequences = Hash.new(0) # each range of severities counts for itself
context = CodecZmq::Context.new
connected(context, endpoint) do |socket|
  10.times do |index|
    severity = SEVERITIES[index % SEVERITIES.size]
    record = ZreLogMsg::Record.new(
      severity:, node:, epoch:,
      sequence: sequences[severity] += 1,
      time: now,
      host: 'example',
      name: 'ruby-example',
      logger: 'example.ruby',
      text: "record #{index + 1} of 10, at 12.5 °C",
      fields: { 'number' => (index + 1).to_s }
    )
    ZreLogMsgSocket.send_message(socket, record)
  end
end
context.close
puts "sent 10 records to #{endpoint}"
