/**
 * Whether this machine can have a GPU at all, without asking a driver. Asking
 * costs Node users noise: Dawn and the software drivers that it finds write their
 * complaints to stderr, where nobody can take them back.
 */
import { readdirSync } from 'node:fs';
import process from 'node:process';

/** Devices of DRM drivers, NVIDIA's own driver, WSL, AMD's compute driver, Arm's Mali. */
const DEVICES = /^(dri|nvidia\d*|nvidiactl|dxg|kfd|mali\d*)$/;

/** False only where it is certain: on Linux, when no driver has made a device. */
export function gpuPossible(): boolean {
  if (process.platform !== 'linux') return true;
  try {
    return readdirSync('/dev').some((name) => DEVICES.test(name));
  } catch {
    return true;
  }
}
