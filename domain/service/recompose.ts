import type { HostId, ServiceId, VeeId } from '../ids';
import { componentNamed, templateOf } from '../manifest/components';
import { updatePolicyOf } from '../manifest/policies';
import type { Manifest, ManifestComponent } from '../manifest/schema';
import type { SnapshotHost } from '../placement/model';
import { freeThroughout, type Stay, spanOf } from '../placement/promised';
import { atLeastNothing, type Capacity, shortages, subtract, ZERO } from '../units';
import type { VeeRecord } from '../vee/vee';
import { misplaced } from './misplaced';
import { type ChangeReason, isLive, templateChanges } from './recompose-reasons';
import type { BlockedRecomposition } from './recompose-refusal';
import { type ComponentChange, componentWaves, EMPTY_WAVE, type Wave } from './recompose-waves';
import { planScaling } from './scaling';
import { startLevels } from './start-order';

export type MemberVerb = 'no-op' | 'resize' | 'move' | 'replace' | 'destroy';

/** What becomes of one VEE that is there, and why. */
export interface MemberAction {
  readonly verb: MemberVerb;
  readonly veeId: VeeId;
  readonly component: string;
  readonly index: number;
  readonly hostId: HostId;
  readonly reasons: readonly ChangeReason[];
}

/** Members that are new, beyond those that take another's place. */
export interface Creation {
  readonly component: string;
  readonly count: number;
  readonly reason: ChangeReason;
}

export interface Recomposition {
  readonly kind: 'recomposition';
  readonly members: readonly MemberAction[];
  readonly creations: readonly Creation[];
  /** In order: a wave begins when the one before it is done. */
  readonly waves: readonly Wave[];
  /** How many members each component has afterwards. */
  readonly instances: Readonly<Record<string, number>>;
}

export interface RecomposeInput {
  readonly serviceId: ServiceId;
  readonly current: Manifest;
  readonly wanted: Manifest;
  /** How many members each component is meant to have now. */
  readonly instances: Readonly<Record<string, number>>;
  /** The service's living VEEs. */
  readonly members: readonly VeeRecord[];
  readonly hosts: readonly SnapshotHost[];
  /** When that was seen. */
  readonly at: number;
  /** How long the service stays, and on what reservation. */
  readonly stay?: Stay | undefined;
}

/**
 * What has to change so that a service is as another manifest says. It compares the VEEs that are there with
 * what they should be, not one manifest with the other: so a re-composition that was kept half-way goes on from
 * where it stopped when it is asked for again.
 */
export function recompose(input: RecomposeInput): Recomposition | BlockedRecomposition {
  const { wanted } = input;
  const wrong = misplaced(input.serviceId, wanted, mayStay(input), input.hosts);
  const span = spanOf(input.at, input.stay);
  const room = new Map(input.hosts.map((h) => [h.id, freeThroughout(h, span)]));
  const members: MemberAction[] = [];
  const creations: Creation[] = [];
  const instances: Record<string, number> = {};
  const changes = new Map<string, ComponentChange>();
  for (const component of wanted.components) {
    const mine = input.members.filter((v) => v.component === component.name);
    const count = wantedCount(component, input.instances[component.name]);
    const actions = mine.map((vee) => judge(input, component, vee, wrong.get(vee.id), room));
    const kept = surplusGoes(actions, mine, count);
    const change = changeOf(component.name, kept, count, input);
    instances[component.name] = count;
    members.push(...named(kept, change));
    if (change.coming > change.leaving.length)
      creations.push({
        component: component.name,
        count: change.coming - change.leaving.length,
        reason: componentNamed(input.current, component.name)
          ? { reason: 'count', from: change.members, to: count }
          : { reason: 'component-new' },
      });
    changes.set(component.name, change);
  }
  const removed = input.members.filter((v) => !componentNamed(wanted, v.component));
  members.push(...removed.map((v) => act('destroy', v, [{ reason: 'component-removed' }])));

  const blocks = members.flatMap((m) => blockOf(m, input));
  if (blocks.length > 0) return { kind: 'blocked', blocks };
  const waves = [...inStartOrder(wanted, changes), ...removalWaves(input.current, removed)];
  return { kind: 'recomposition', members, creations, waves, instances };
}

/** Those that no change of what they are made of drives out. */
function mayStay(input: RecomposeInput): VeeRecord[] {
  return input.members.filter((v) => {
    const component = componentNamed(input.wanted, v.component);
    return component !== undefined && v.state !== 'DEFINED' && changesOf(input, v, component).every(isLive);
  });
}

function changesOf(
  { current, wanted }: RecomposeInput,
  vee: VeeRecord,
  component: ManifestComponent,
): ChangeReason[] {
  const before = componentNamed(current, component.name);
  return templateChanges(vee.template, templateOf(wanted, component), before && templateOf(current, before));
}

/** The present count within the new bounds; a component that is new begins as the manifest says. */
function wantedCount({ instances }: ManifestComponent, present: number | undefined): number {
  if (present === undefined) return instances.initial;
  return Math.min(Math.max(present, instances.min), instances.max);
}

function act(verb: MemberVerb, vee: VeeRecord, reasons: readonly ChangeReason[]): MemberAction {
  const { id, component, index, hostId } = vee;
  return { verb, veeId: id, component, index, hostId, reasons };
}

/** What a member of a component that stays needs. Growing takes its room, so that two don't count on the same. */
function judge(
  input: RecomposeInput,
  component: ManifestComponent,
  vee: VeeRecord,
  breach: ChangeReason | undefined,
  room: Map<HostId, Capacity>,
): MemberAction {
  const { wanted, hosts } = input;
  // Left over from an operation that was given up: it never ran.
  if (vee.state === 'DEFINED') return act('destroy', vee, [{ reason: 'never-started' }]);
  const host = hosts.find((h) => h.id === vee.hostId);
  const template = templateOf(wanted, component);
  const changes = changesOf(input, vee, component);
  const all = breach ? [...changes, breach] : changes;
  if (all.length === 0) return act('no-op', vee, []);
  if (!changes.every(isLive)) return act('replace', vee, all);
  if (breach) {
    if (changes.length > 0) return act('replace', vee, all);
    const migration = host?.capabilities.migration ?? 'none';
    if (migration === 'none')
      return act('replace', vee, [...all, { reason: 'no-migration', driver: host?.driver ?? 'unknown' }]);
    if (migration === 'cold' && updatePolicyOf(wanted).maxUnavailable === 0)
      return act('replace', vee, [...all, { reason: 'cold-migration' }]);
    return act('move', vee, all);
  }
  if (!host?.capabilities.liveResize)
    return act('replace', vee, [...all, { reason: 'no-live-resize', driver: host?.driver ?? 'unknown' }]);
  const grows = growth(vee.template.capacity, template.capacity);
  const free = room.get(host.id) ?? ZERO;
  const short = shortages(free, grows).find((s) => s.need > 0);
  if (short) return act('replace', vee, [...all, { reason: 'no-room', ...short }]);
  room.set(host.id, subtract(free, grows));
  return act('resize', vee, all);
}

/** What shrinks gives nothing back here: whether it has shrunk by then, nobody knows. */
function growth(is: Capacity, should: Capacity): Capacity {
  return atLeastNothing(subtract(should, is));
}

/** Where fewer are wanted, those go that would have to change most, and then as when scaling in. */
function surplusGoes(
  actions: readonly MemberAction[],
  vees: readonly VeeRecord[],
  count: number,
): MemberAction[] {
  const staying = actions.filter((a) => a.verb === 'no-op' || a.verb === 'resize' || a.verb === 'move');
  const excess = staying.length - count;
  if (excess <= 0) return [...actions];
  const movers = staying.filter((a) => a.verb === 'move').slice(-excess);
  const inPlace = staying.filter((a) => !movers.includes(a)).map((a) => a.veeId);
  const victims = planScaling(
    vees.filter((v) => inPlace.includes(v.id)),
    count,
  ).retire.map((v) => v.id);
  const going = new Set([...movers.map((a) => a.veeId), ...victims]);
  const reason: ChangeReason = { reason: 'count', from: vees.length, to: count };
  return actions.map((a) => (going.has(a.veeId) ? { ...a, verb: 'destroy', reasons: [reason] } : a));
}

function changeOf(
  component: string,
  actions: readonly MemberAction[],
  count: number,
  { members, wanted }: RecomposeInput,
): ComponentChange {
  const stillborn = (a: MemberAction) => members.some((v) => v.id === a.veeId && v.state === 'DEFINED');
  const of = (...verbs: MemberVerb[]) => actions.filter((a) => verbs.includes(a.verb) && !stillborn(a));
  const staying = of('no-op', 'resize', 'move').length;
  return {
    component,
    members: actions.filter((a) => !stillborn(a)).length,
    wanted: count,
    resizes: of('resize').map((a) => a.veeId),
    moves: of('move').map((a) => a.veeId),
    leaving: of('replace', 'destroy').map(({ veeId, index }) => ({ veeId, index })),
    coming: Math.max(0, count - staying),
    stillborn: actions.filter(stillborn).map(({ veeId, index }) => ({ veeId, index })),
    taken: actions.map((a) => a.index),
    policy: updatePolicyOf(wanted),
  };
}

/** Of those that would be replaced, only as many are as come; the rest merely go. */
function named(
  actions: readonly MemberAction[],
  { coming, members, wanted }: ComponentChange,
): MemberAction[] {
  let left = coming;
  return actions.map((a) => {
    if (a.verb !== 'replace' || left-- > 0) return a;
    return { ...a, verb: 'destroy', reasons: [{ reason: 'count', from: members, to: wanted }] };
  });
}

/**
 * Dependants change after what they depend on: so what is new starts beside what is new. What grows where it is comes
 * before all: it was judged by the room that is there now, which nothing that is placed later may take.
 */
function inStartOrder(wanted: Manifest, changes: ReadonlyMap<string, ComponentChange>): Wave[] {
  const order = startLevels(
    wanted.components.map((c) => c.name),
    wanted.topology.dependencies,
  );
  const levels = order.kind === 'levels' ? order.levels : [];
  const grows = (wave: Wave) => wave.resizes.length > 0;
  const first = sideBySide([...changes.values()].map((c) => componentWaves(c).filter(grows)));
  const rest = levels.flatMap((level) => {
    const lanes = level.flatMap((name) => changes.get(name) ?? []);
    const moves = lanes.flatMap((c) => c.moves).map((move) => ({ ...EMPTY_WAVE, move }));
    return [...moves, ...sideBySide(lanes.map((c) => componentWaves(c).filter((w) => !grows(w))))];
  });
  return [...first, ...rest];
}

/** Components of one level change at the same time. */
function sideBySide(lanes: readonly (readonly Wave[])[]): Wave[] {
  const length = Math.max(0, ...lanes.map((l) => l.length));
  return Array.from({ length }, (_, i) => {
    const waves = lanes.flatMap((l) => l[i] ?? []);
    return {
      resizes: waves.flatMap((w) => w.resizes),
      creates: waves.flatMap((w) => w.creates),
      destroys: waves.flatMap((w) => w.destroys),
    };
  });
}

/** Last, when nothing depends on them any more; dependants before what they depend on. */
function removalWaves(current: Manifest, removed: readonly VeeRecord[]): Wave[] {
  const order = startLevels(
    current.components.map((c) => c.name),
    current.topology.dependencies,
  );
  const levels = order.kind === 'levels' ? [...order.levels].reverse() : [];
  const known = new Set(levels.flat());
  const groups = [
    removed.filter((v) => !known.has(v.component)),
    ...levels.map((level) => removed.filter((v) => level.includes(v.component))),
  ];
  return groups
    .filter((group) => group.length > 0)
    .map((group) => ({ ...EMPTY_WAVE, destroys: group.map((v) => v.id) }));
}

/** A VEE that was stilled would come back running if the re-composition went wrong: its owner decides first. */
function blockOf(action: MemberAction, { members, hosts }: RecomposeInput): BlockedRecomposition['blocks'] {
  const { verb, veeId, component, index } = action;
  if (verb === 'no-op') return [];
  const vee = members.find((v) => v.id === veeId);
  const host = hosts.find((h) => h.id === action.hostId);
  const block = (because: string) => [{ veeId, component, index, because }];
  if (vee?.state === 'PAUSED' || vee?.state === 'SUSPENDED') return block(`it is ${vee.state}`);
  if (host?.liveness === 'lost') return block(`its host ${host.id} is lost`);
  return [];
}
