import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type EngineKind, engineProgram, type FoundEngine, findEngine } from '../engines/engine';
import { MONGODB, mongodAnswers, mongodArguments, mongoUri } from '../engines/mongodb';
import { TEMPORAL, temporalAnswers, temporalArguments } from '../engines/temporal';
import type { ChildSpec } from './child';
import { choosePort } from './ports';

export interface EngineOptions {
  readonly dataDir: string;
  readonly namespace?: string;
  readonly durable?: boolean;
  readonly ports?: {
    readonly temporal?: number | undefined;
    readonly temporalUi?: number | undefined;
    readonly mongodb?: number | undefined;
  };
}

/** The programs to start; none for an engine whose address was given. */
export interface EnginePrograms {
  readonly temporal: string | undefined;
  readonly mongodb: string | undefined;
}

const USUAL_PORTS = { temporal: 7233, temporalUi: 8233, mongodb: 27_027 };

/** @throws EngineMissing, before anything was started */
export async function enginePrograms(
  tell: (name: string, found: FoundEngine) => void,
): Promise<EnginePrograms> {
  const program = async (kind: EngineKind): Promise<string | undefined> => {
    const found = await findEngine(kind);
    tell(kind.name, found);
    return found.from === 'address' ? undefined : engineProgram(kind, found);
  };
  return { temporal: await program(TEMPORAL), mongodb: await program(MONGODB) };
}

/** Starts what has to be started, and tells with which variables our processes reach the engines. */
export async function startEngines(
  { dataDir, namespace = 'sluice', durable = false, ports = {} }: EngineOptions,
  programs: EnginePrograms,
  run: (spec: ChildSpec) => Promise<void>,
): Promise<{ environment: Record<string, string>; temporalUi: string | undefined }> {
  const environment: Record<string, string> = {};
  let temporalUi = process.env.SLUICE_TEMPORAL_UI;
  // All ports before the first start: one that is taken must not leave a half-started engine behind.
  const temporalPort = programs.temporal
    ? await choosePort('Temporal', ports.temporal, USUAL_PORTS.temporal)
    : 0;
  const uiPort = programs.temporal
    ? await choosePort('Temporal’s UI', ports.temporalUi, USUAL_PORTS.temporalUi)
    : 0;
  const mongoPort = programs.mongodb ? await choosePort('MongoDB', ports.mongodb, USUAL_PORTS.mongodb) : 0;
  const starts: Promise<void>[] = [];
  if (programs.temporal) {
    const folder = join(dataDir, 'temporal');
    await mkdir(folder, { recursive: true });
    const address = `127.0.0.1:${temporalPort}`;
    const args = temporalArguments({ dataDir: folder, namespace, port: temporalPort, uiPort, durable });
    starts.push(
      run({
        name: 'temporal',
        address,
        command: [programs.temporal, ...args],
        answers: () => temporalAnswers(address, namespace),
      }),
    );
    Object.assign(environment, { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace });
    temporalUi = `http://127.0.0.1:${uiPort}`;
  }
  if (programs.mongodb) {
    const folder = join(dataDir, 'mongodb');
    await mkdir(folder, { recursive: true });
    starts.push(
      run({
        name: 'mongodb',
        address: `127.0.0.1:${mongoPort}`,
        command: [programs.mongodb, ...mongodArguments(folder, mongoPort)],
        answers: () => mongodAnswers(mongoPort),
      }),
    );
    environment.MONGODB_URI = mongoUri(mongoPort);
  }
  await Promise.all(starts);
  return { environment, temporalUi };
}
