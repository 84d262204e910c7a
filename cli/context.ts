import type { Command } from 'commander';
import { ApiClient, type OperationView } from './client';
import { CliError, EXIT } from './exit-codes';
import { describeEnd, printJson, stepPrinter } from './output';

export interface GlobalOptions {
  readonly json?: boolean;
  readonly dataDir: string;
  readonly url?: string;
  readonly token?: string;
}

export const globals = (command: Command) => command.optsWithGlobals<GlobalOptions>();

export const clientOf = (command: Command) => ApiClient.connect(globals(command));

/** A plan is shown; an operation is followed to its end, unless the caller would rather not wait. */
export async function conclude(
  command: Command,
  client: ApiClient,
  answer: unknown,
  wait: boolean,
): Promise<void> {
  const { json = false } = globals(command);
  if (isPlan(answer)) {
    if (json) printJson(answer);
    else
      console.log(
        [
          `Plan for ${answer.operation} (nothing was changed):`,
          ...answer.steps.map((s) => `  ${s}`),
          ...(answer.why ? [`  infeasible: ${answer.why}`] : []),
        ].join('\n'),
      );
    if (!answer.feasible) throw new CliError('Nothing fits.', EXIT.infeasible);
    return;
  }
  const started = answer as OperationView;
  if (!wait) {
    if (json) printJson(started);
    else console.log(`${started.kind} ${started.id} is under way: sluice operation watch ${started.id}`);
    return;
  }
  const print = json ? () => undefined : stepPrinter((line) => console.log(line));
  const ended = await client.follow(started.id, print);
  if (json) printJson(ended);
  else console.log(describeEnd(ended));
  if (ended.state !== 'completed') {
    const infeasible = ended.error?.code === 'placement-infeasible';
    throw new CliError('', infeasible ? EXIT.infeasible : EXIT.operationFailed);
  }
}

interface Plan {
  readonly dryRun: true;
  readonly operation: string;
  readonly feasible: boolean;
  readonly steps: readonly string[];
  readonly why?: string;
}

function isPlan(answer: unknown): answer is Plan {
  return typeof answer === 'object' && answer !== null && 'dryRun' in answer;
}

/** A service by name or id. Names are the tenant's; an operator who sees two of a name must say which. */
export async function findService(
  client: ApiClient,
  nameOrId: string,
): Promise<{ id: string; name: string; tenantId: string; phase: string }> {
  type Service = { id: string; name: string; tenantId: string; phase: string };
  if (nameOrId.startsWith('svc-')) return client.get<Service>(`/v1/services/${encodeURIComponent(nameOrId)}`);
  const living = (await client.list<Service>('/v1/services', { name: nameOrId })).filter(
    (s) => s.phase !== 'decommissioned',
  );
  const [only, second] = living;
  if (!only) throw new CliError(`There is no service "${nameOrId}".`, EXIT.notFound);
  if (second)
    throw new CliError(
      `Several tenants have a service "${nameOrId}": give its id (${living.map((s) => s.id).join(', ')}).`,
      EXIT.usage,
    );
  return only;
}

/** A VEE by id, or as SERVICE/COMPONENT/INDEX. */
export async function findVee(client: ApiClient, text: string): Promise<string> {
  if (text.startsWith('vee-')) return text;
  const [serviceName, component, index] = text.split('/');
  if (!serviceName || !component || index === undefined)
    throw new CliError(`"${text}" is neither a VEE's id nor SERVICE/COMPONENT/INDEX.`, EXIT.usage);
  const service = await findService(client, serviceName);
  const vees = await client.list<{ id: string; index: number; state: string }>('/v1/vees', {
    service: service.id,
    component,
  });
  const vee = vees.find((v) => String(v.index) === index && v.state !== 'DESTROYED');
  if (!vee) throw new CliError(`${serviceName} has no living ${component}/${index}.`, EXIT.notFound);
  return vee.id;
}
