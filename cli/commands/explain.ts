import type { Command } from 'commander';
import type { HostVerdict } from '../../domain/placement/model';
import { describeGroups, describeRefusal, type RefusalGroup } from '../../domain/placement/refusal-summary';
import type { ApiClient } from '../client';
import { clientOf, findService, findVee, globals } from '../context';
import { parametersText, printJson, table } from '../output';

interface Policy {
  readonly name: string;
  readonly parameters?: Readonly<Record<string, number>>;
}

interface VeeAnswer {
  readonly hostId: string;
  readonly algorithm: string;
  readonly policy?: Policy;
  readonly operation?: {
    readonly id: string;
    readonly kind: string;
    readonly requestedBy: string;
    readonly parentId?: string;
  };
  readonly decision?: {
    readonly hostId: string;
    readonly because: string;
    readonly verdicts: readonly HostVerdict[];
  };
}

interface Explained {
  readonly component: string;
  readonly index: number;
  readonly hostId: string;
  readonly because?: string;
  readonly refused?: readonly RefusalGroup[];
}

interface Planned {
  readonly policy?: Policy;
  readonly algorithm?: string;
  readonly placed: readonly Explained[];
  readonly refused?: string;
}

/** Why things are where they are. */
export function registerExplainCommand(program: Command): void {
  program
    .command('explain <what>')
    .description(
      'why a VEE, or each VEE of a service, is where it is; what an operation decided, or why it could not',
    )
    .addHelpText(
      'after',
      '\nWHAT is SERVICE/COMPONENT/INDEX or the id of a VEE, a service, or the id of an operation.',
    )
    .action(async (what: string, _options: unknown, command: Command) => {
      const client = await clientOf(command);
      const { json = false } = globals(command);
      const { answer, text } = await explain(client, what);
      if (json) printJson(answer);
      else console.log(text);
    });
}

async function explain(client: ApiClient, what: string): Promise<{ answer: unknown; text: string }> {
  if (what.startsWith('op-')) {
    const answer = await client.get<{ items: Planned[] }>(
      `/v1/operations/${encodeURIComponent(what)}/explain`,
    );
    const text = answer.items.map(describePlan).join('\n') || 'It has decided nothing about places.';
    return { answer, text };
  }
  if (what.startsWith('vee-') || what.includes('/')) {
    const answer = await client.get<VeeAnswer>(`/v1/vees/${await findVee(client, what)}/explain`);
    return { answer, text: describeVee(answer) };
  }
  const { id } = await findService(client, what);
  const answer = await client.get<{ items: Explained[] }>(`/v1/services/${id}/explain`);
  return { answer, text: describePlaces(answer.items) };
}

const describePolicy = (policy: Policy | undefined, algorithm: string | undefined): string =>
  `policy ${[policy?.name, parametersText(policy?.parameters)].join(' ').trim()}, ${algorithm}`;

function describePlan({ policy, algorithm, placed, refused }: Planned): string {
  return refused ?? `By ${describePolicy(policy, algorithm)}:\n${describePlaces(placed)}`;
}

const describePlaces = (items: readonly Explained[]): string =>
  table(
    ['vee', 'host', 'because', 'could not'],
    items.map((e) => [
      ...[`${e.component}/${e.index}`, e.hostId, e.because ?? 'no decision is on record'],
      describeGroups(e.refused ?? []) || '-',
    ]),
  );

function describeVee({ hostId, algorithm, policy, operation, decision }: VeeAnswer): string {
  if (!decision) return 'No decision is on record for it.';
  const { verdicts, because } = decision;
  const asked = operation?.parentId ? `, which ${operation.parentId} asked for` : '';
  const why = (v: HostVerdict) => v.refusals.map(describeRefusal).join('; ');
  const unmet = (v: HostVerdict) =>
    (v.unmet ?? [])
      .map((u) => `${u.constraint}${u.weight === undefined ? '' : ` (weight ${u.weight})`}: ${u.because}`)
      .join('; ');
  const prefers = verdicts.some((v) => v.unmet);
  const ranks = verdicts.some((v) => v.rank !== undefined);
  const head = ['host', ...(ranks ? ['rank'] : []), 'score', 'refused because'];
  return [
    `Placed on ${decision.hostId} (${describePolicy(policy, algorithm)}): ${because}.`,
    ...(operation
      ? [`Decided by ${operation.kind} ${operation.id}${asked}, for ${operation.requestedBy}.`]
      : []),
    ...(hostId === decision.hostId ? [] : [`It has moved since, and runs on ${hostId}.`]),
    'Score: what the policy ranks hosts by; lower is better.',
    table(
      [...head, ...(prefers ? ['would not keep'] : [])],
      verdicts.map((v) => [
        ...[v.hostId, ...(ranks ? [v.rank ?? '-'] : []), v.score ?? '-', why(v)],
        ...(prefers ? [unmet(v)] : []),
      ]),
    ),
  ].join('\n');
}
