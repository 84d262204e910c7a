import { main } from './program';

main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
  // A keep-alive socket to the API must not hold a finished command.
  setImmediate(() => process.exit(code));
}, console.error);
