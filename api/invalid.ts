import { SluiceError } from '../domain/errors';

/** A request that is well formed and can't be done: what is wrong with it, where, and what to do about it. */
export function invalid(pointer: string, message: string, hint: string): SluiceError {
  const errors = [{ pointer, message, hint }];
  return new SluiceError('request-invalid', `${pointer}: ${message}. ${hint}`, { pointer, errors });
}
