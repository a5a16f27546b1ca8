# frozen_string_literal: true

# The generated codecs, as a program in Ruby uses them. CODECS says where they are, ZLOG_VECTORS where the vectors are.

require 'json'
require 'minitest/autorun'

CODECS = ENV.fetch('CODECS')
VECTORS = ENV.fetch('ZLOG_VECTORS')
Dir[File.join(CODECS, '*.rb')].each { |path| require path unless path.end_with?('_socket.rb') }

def octets(digits)
  [digits].pack('H*')
end

def hex(value)
  value.unpack1('H*')
end

# What is on the wire, and what comes from it.
class TestOctets < Minitest::Test
  def test_octets_by_hand
    numbers = Everything::Numbers.new(sequence: 1, tiny: 2, small: 3, medium: 4, large: 5)
    assert_equal 'aaae01030001020003000000040000000000000005', hex(numbers.encode)
    texts = Everything::Texts.new(short: 'é', long: 'ab', many: ['x', ''], table: { 'k' => 'v' })
    expected = %w[
      aaae14030000 02c3a9 034dc39c 000000026162 00000000 00000002 0000000178 00000000 00000001 016b 0000000176
    ]
    assert_equal expected.join, hex(texts.encode)
    tick = Feed::Tick.new(topic: 'stocks/é', price: 1, symbol: 'Z')
    assert_equal "01#{hex('stocks/é')}000000000000000001015a", hex(tick.encode)
  end

  def test_numbers_over_their_whole_range
    top = Everything::Numbers.new(
      sequence: 0xffff, tiny: 255, small: 0xffff, medium: 0xffff_ffff, large: 0xffff_ffff_ffff_ffff
    )
    assert_equal "aaae0103#{'ff' * 17}", hex(top.encode)
    assert_equal top, Everything.decode(top.encode)
  end

  def test_text_of_every_kind_survives
    ['', "\0", "\ufeffbom", "é€🐍\u{10ffff}", 'x' * 100_000, 'é' * 100_000].each do |text|
      texts = Everything::Texts.new(long: text, many: [text, ''], table: { 'default' => text })
      decoded = Everything.decode(texts.encode)
      assert_equal texts, decoded
      assert_equal [Encoding::UTF_8] * 2, [decoded.long.encoding, decoded.many[0].encoding]
    end
  end

  def test_text_in_another_encoding
    assert_equal '02c3a9', hex(Everything::Texts.new(short: "\xe9".dup.force_encoding('ISO-8859-1')).encode)[12, 6]
  end

  def test_frames
    blobs = Everything::Blobs.new(address: 'a', content: ['1', '', '3'])
    first, *rest = blobs.frames
    assert_equal ['a', '', '1', '', '3'], rest
    assert_equal blobs, Everything.decode(first, rest)
    empty = Everything::Empty.new(sequence: 3)
    assert_equal empty, Everything.decode("#{empty.encode}more", %w[frame frame])
  end

  def test_the_last_of_a_repeated_name_stands_in_the_place_of_the_first
    message = Feed.decode(octets('040000000003016b0000000161016c0000000162016b0000000163'))
    assert_equal [%w[k c], %w[l b]], message.table.to_a
  end

  def test_fields_that_a_later_version_appended
    assert_equal Grown::Grown.new(first: 'a'), Grown.decode(octets('aaa0010161'))
    error = assert_raises(Grown::DecodeError) { Grown.decode(octets('aaa001016100')) }
    assert_equal [:truncated, 5], [error.reason, error.offset]
  end

  def test_constants_and_topics
    assert_equal [3, 255, -1], [Everything::VERSION, Everything::LIMIT_HEX, Everything::BELOW_ZERO]
    assert_equal ['hello "you"', 'tcp'], [Everything::GREETING, Everything::BARE_WORD]
    assert_equal 'it\'s \\ "quoted"', Quotes::WORD
    assert_equal 'aaae', hex(Everything::SIGNATURE)
    assert_empty Feed::SIGNATURE
    assert_equal Everything::Texts, Everything::MESSAGES[20]
    assert_equal '016162', hex(Feed.subscription(Feed::Tick, 'ab'))
    assert_raises(Feed::EncodeError) { Feed.subscription(Feed::Tick, "a\0b") }
    error = assert_raises(Feed::DecodeError) { Feed.decode(octets('0161ff00')) }
    assert_equal [:utf8, 2, 'TICK'], [error.reason, error.offset, error.message_name]
  end
end

# What is no message, and what can't be one.
class TestErrors < Minitest::Test
  DECODING = [
    ['', :truncated, 0, nil], ['aa', :truncated, 1, nil], ['aaae', :truncated, 2, nil], ['ab', :signature, 0, nil],
    ['aaaf01030000', :signature, 0, nil], ['aaae00030000', :id, 2, nil], ['aaae070300', :truncated, 3, 'EMPTY'],
    ['aaae07020000', :value, 3, 'EMPTY'], ['aaae06030000deadbeee00000002c3a9', :value, 6, 'FIXED'],
    ["aaae1403000002c328#{'00' * 30}", :utf8, 7, 'TEXTS'],
    ['aaae14030000024142034dc39cffffffff', :truncated, 17, 'TEXTS'],
    ["aaae14030000024142034dc39c#{'00' * 8}ffffffff", :truncated, 25, 'TEXTS']
  ].freeze

  def test_one_documented_error_whatever_the_octets
    DECODING.each do |frame, reason, offset, name|
      error = assert_raises(Everything::DecodeError, frame) { Everything.decode(octets(frame)) }
      assert_equal [reason, offset, name], [error.reason, error.offset, error.message_name], frame
      assert_equal "#{name || 'frame'}: #{reason} at offset #{offset}", error.message
      assert_nil error.identity
    end
    error = assert_raises(Everything::DecodeError) { Everything.decode(Everything::Blobs.new.encode, ['a']) }
    assert_equal [:frames, 'BLOBS'], [error.reason, error.message_name]
  end

  def test_truncation_at_every_octet_and_every_octet_changed
    frame = ZreLogMsg::Record.new(text: 'é€🐍', fields: { 'a' => 'b' }).encode
    frame.bytesize.times do |size|
      error = assert_raises(ZreLogMsg::DecodeError) { ZreLogMsg.decode(frame.byteslice(0, size)) }
      assert_equal :truncated, error.reason
      [0, 1, 0x7f, 0x80, 0xc3, 0xff].each do |octet|
        changed = frame.dup
        changed.setbyte(size, octet)
        ZreLogMsg.decode(changed)
      rescue ZreLogMsg::DecodeError
        next
      end
    end
  end

  def test_text_that_is_not_utf8
    bad = %w[ff c080 eda080 edbfbf f4908080 e282 f09f90 c3 80 e28228 f0808080]
    bad.product(['', 'é', 'x' * 100]) do |digits, before|
      text = before.b + octets(digits)
      frame = octets('aaa2010000000000000000000000000000') + [text.bytesize].pack('C') + text
      error = assert_raises(ZreLogMsg::DecodeError) { ZreLogMsg.decode(frame) }
      assert_equal [:utf8, 18 + before.bytesize], [error.reason, error.offset], digits
      assert ZreLogMsg.decode(frame, text: :replace).data.start_with?("#{before}\ufffd")
    end
  end

  ENCODING = {
    'NUMBERS.tiny: 256 is not in 0 to 255' => Everything::Numbers.new(tiny: 256),
    'NUMBERS.small: -1 is not in 0 to 65535' => Everything::Numbers.new(small: -1),
    'NUMBERS.medium: 4294967296 is not in 0 to 4294967295' => Everything::Numbers.new(medium: 1 << 32),
    "NUMBERS.large: #{1 << 64} is not in 0 to #{(1 << 64) - 1}" => Everything::Numbers.new(large: 1 << 64),
    'NUMBERS.large: must be an Integer, not Float' => Everything::Numbers.new(large: 1.0),
    'NUMBERS.large: must be an Integer, not NilClass' => Everything::Numbers.new(large: nil),
    'TEXTS.short: 256 octets are more than 255' => Everything::Texts.new(short: 'é' * 128),
    'TEXTS.short: is not valid UTF-8' => Everything::Texts.new(short: "\xff"),
    "TEXTS.short: can't be encoded in UTF-8: \"\\xFF\" from ASCII-8BIT to UTF-8" =>
      Everything::Texts.new(short: "\xff".b),
    'TEXTS.short: must be a String, not Symbol' => Everything::Texts.new(short: :text),
    'TEXTS.many: must be an Array of String, not String' => Everything::Texts.new(many: 'word'),
    'TEXTS.many: must be a String, not Integer' => Everything::Texts.new(many: [1]),
    'TEXTS.table: must be a Hash of String, not Array' => Everything::Texts.new(table: [%w[a b]]),
    'TEXTS.table: must be a String, not Symbol' => Everything::Texts.new(table: { a: 'b' }),
    'BLOBS.flags: must be 4 octets' => Everything::Blobs.new(flags: 'abc'),
    'BLOBS.body: must be a String, not Array' => Everything::Blobs.new(body: [1]),
    'BLOBS.id: must be a UUID like 00000000-0000-0000-0000-000000000000' => Everything::Blobs.new(id: '5'),
    'BLOBS.address: must be a String, not NilClass' => Everything::Blobs.new(address: nil),
    'BLOBS.content: must be an Array of String, not String' => Everything::Blobs.new(content: 'frame'),
    'CLIENTS.supplier.born: 70000 is not in 0 to 65535' =>
      Everything::Clients.new(supplier: Everything::Person.new(born: 70_000)),
    'CLIENTS.client.home: must be a Everything::Place, not NilClass' =>
      Everything::Clients.new(client: Everything::Person.new(home: nil)),
    'TICK.topic: must not contain a zero' => Feed::Tick.new(topic: "a\0b")
  }.freeze

  def test_what_does_not_fit_is_an_encode_error_that_names_the_field
    ENCODING.each do |problem, message|
      error = assert_raises(CodecRuntime::EncodeError, problem) { message.frames }
      assert_equal problem, error.message
      assert_equal "#{error.message_name}.#{error.field}: #{error.problem}", error.message
    end
  end

  def test_wrong_arguments
    assert_raises(TypeError) { Everything.decode(nil) }
    assert_raises(TypeError) { Everything.decode(5) }
    assert_raises(ArgumentError) { Everything.decode('', text: :typo) }
    assert_raises(ArgumentError) { Everything::Numbers.new(typo: 1) }
    assert_raises(LoadError) { CodecRuntime.check(0) }
  end
end

# Messages as values.
class TestClasses < Minitest::Test
  def client(name)
    Everything::Clients.new(client: Everything::Person.new(forename: name, notes: ['a']))
  end

  def test_equality
    one = client('Ada')
    assert_equal one, client('Ada')
    refute_equal one, client('Grace')
    refute_equal one, nil
    refute_equal Everything::Empty.new, Everything::Numbers.new
    assert_equal Everything::Texts.new(table: { 'a' => '1', 'b' => '2' }),
                 Everything::Texts.new(table: { 'b' => '2', 'a' => '1' })
  end

  def test_copies_are_deep
    one = client('Ada')
    two = one.dup
    two.client.notes << 'b'
    assert_equal ['a'], one.client.notes
  end

  def test_a_form_for_people
    expected = '#<Everything::Numbers sequence=0 tiny=1 small=0 medium=0 large=0>'
    assert_equal expected, Everything::Numbers.new(tiny: 1).inspect
    assert_equal '#<Plain::Hello>', Plain::Hello.new.to_s
  end

  def test_pattern_matching
    message = ZreLogMsg.decode(ZreLogMsg::Record.new(severity: 17, text: 'on fire').encode)
    case message
    in ZreLogMsg::Record[severity: 17.., text:] then assert_equal 'on fire', text
    end
  end

  def test_defaults_are_not_shared
    Everything::Texts.new.many << 'x'
    Everything::Clients.new.client.notes << 'x'
    Everything::Blobs.new.body << 'x'
    assert_empty Everything::Texts.new.many
    assert_empty Everything::Clients.new.client.notes
    assert_empty Everything::Blobs.new.body
  end

  def test_names_stay_out_of_the_way_of_the_language
    message = Everything::ExtremeNumbers.new(class_: 1, self_: CodecRuntime::NIL_UUID, encode_: { '5' => '6' })
    assert_equal message, Everything.decode(message.encode)
  end
end

# What every implementation agrees on.
class TestVectors < Minitest::Test
  def cases(pattern)
    files = Dir[File.join(VECTORS, pattern)]
    refute_empty files
    files.flat_map { |path| JSON.parse(File.read(path)) }
  end

  def test_vectors
    cases('conformance_*.json').each do |vector|
      expected = vector['expect']
      reason, offset, message = expected['error']
      wanted = "error #{reason} #{offset} #{message&.tr(' ', '_') || '-'}"
      wanted = "ok #{expected['message'].tr(' ', '_')} #{expected['dump']} " if reason.nil?
      found = ConformanceDriver.answer("decode #{vector['model']} #{vector['frames'].join(',')}")
      assert found.start_with?(wanted), "#{vector['model']} #{vector['name']}: #{found}"
    end
  end

  def test_what_cannot_be_encoded
    cases('refusals_*.json').each do |vector|
      name = vector['message'].tr(' ', '_')
      found = ConformanceDriver.answer("encode #{vector['model']} #{name} #{vector['dump']}")
      assert_equal "refused #{vector['refused']}", found, "#{vector['model']} #{vector['name']}"
    end
  end

  def test_log_as_the_c_code_wrote_it
    cases('log_v1.json').each do |vector|
      frame = octets(vector['frame_hex'])
      if octets(vector['data_hex']).force_encoding('UTF-8').valid_encoding?
        assert_equal frame, ZreLogMsg.decode(frame).encode
      else
        assert_equal :utf8, assert_raises(ZreLogMsg::DecodeError) { ZreLogMsg.decode(frame) }.reason
      end
    end
  end
end
