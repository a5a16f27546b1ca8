// One ZRE peer driven over stdin and stdout: zyre.js from npm. The line protocol is in tests/interop/README.md.
'use strict';

const readline = require('readline');
const Zyre = require('zyre.js');

let zyre;
let flooded = 0;

function emit(event, values) {
  process.stdout.write(`${JSON.stringify({ event, ...values })}\n`);
}

function hex(message) {
  return message === undefined ? [] : [message.toString('hex')];
}

// Reports a number that is out of its turn, and the end of a flood; the thousands between are only counted.
function countFlood(number, last) {
  if (number !== flooded + 1) emit('FLOOD GAP', { expected: flooded + 1, got: number });
  flooded = number;
  if (number === last) emit('FLOODED', { through: number });
}

function whispered(peer, name, message) {
  const text = message === undefined ? '' : message.toString();
  if (text.startsWith('flood ')) {
    countFlood(...text.split(' ').slice(1).map(Number));
  } else {
    emit('WHISPER', { peer, name, frames: hex(message) });
  }
}

async function start(command) {
  zyre = new Zyre({
    name: command.name,
    headers: command.headers,
    iface: command.interface,
    bport: command.port,
    binterval: 200,
    ...command.options,
  });
  zyre.setEncoding(null); // raw buffers
  zyre.on('connect', (peer, name, headers) => emit('ENTER', { peer, name, headers }));
  zyre.on('disconnect', (peer, name) => emit('EXIT', { peer, name }));
  zyre.on('join', (peer, name, group) => emit('JOIN', { peer, name, group }));
  zyre.on('leave', (peer, name, group) => emit('LEAVE', { peer, name, group }));
  zyre.on('whisper', whispered);
  zyre.on('shout', (peer, name, message, group) => emit('SHOUT', { peer, name, group, frames: hex(message) }));
  await zyre.start();
  command.groups.forEach((group) => zyre.join(group)); // before start() it throws; nobody is connected yet here
  emit('STARTED', { uuid: zyre.getIdentity(), name: command.name });
}

async function obey(command) {
  switch (command.do) {
    case 'start':
      await start(command);
      break;
    case 'join':
      zyre.join(command.group);
      break;
    case 'leave':
      zyre.leave(command.group);
      break;
    case 'whisper':
      zyre.whisper(command.peer, Buffer.from(command.frames[0], 'hex'));
      break;
    case 'shout':
      zyre.shout(command.group, Buffer.from(command.frames[0], 'hex'));
      break;
    case 'flood':
      for (let number = command.first; number <= command.last; number += 1) {
        zyre.whisper(command.peer, Buffer.from(`flood ${number} ${command.last}`));
      }
      break;
    case 'restart': // the same node: it keeps its UUID, and forgets its groups' members
      await zyre.stop();
      await zyre.start();
      emit('STARTED', { uuid: zyre.getIdentity(), name: command.name });
      break;
    case 'stop':
      await zyre.stop();
      process.exit(0);
      break;
    default:
      throw new Error(`unknown command ${command.do}`);
  }
}

let last = Promise.resolve();
readline.createInterface({ input: process.stdin })
  .on('line', (line) => { last = last.then(() => obey(JSON.parse(line))); })
  .on('close', () => { last.then(() => process.exit(2)); });
