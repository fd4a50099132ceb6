/** extensions.istio.io: modules for Envoy. */
import { z } from 'zod';
import type { ResourceKind } from '../../model/config.ts';
import { Faults, defineKind } from '../define.ts';
import { text } from '../fields.ts';
import type { Attachment, WasmModule } from './module.ts';
import { attachmentShape, checkAttachment, checkModule, moduleShape } from './module.ts';

const WHY = 'no runtime of this version loads modules of Envoy';
const MAX_LUA = 65_536;

export const wasmPlugin: ResourceKind = defineKind<Attachment & WasmModule>({
  group: 'extensions.istio.io',
  kind: 'WasmPlugin',
  versions: ['v1alpha1'],
  plural: 'wasmplugins',
  spec: z.strictObject({ ...attachmentShape, ...moduleShape }),
  unenforced: WHY,
  validate(plugin) {
    const faults = new Faults();
    checkAttachment(plugin, faults);
    checkModule(plugin, 'spec', faults);
    return faults.list;
  },
});

interface TrafficExtensionSpec extends Attachment {
  readonly wasm?: WasmModule;
  readonly lua?: { readonly inlineCode?: string };
}

export const trafficExtension: ResourceKind = defineKind<TrafficExtensionSpec>({
  group: 'extensions.istio.io',
  kind: 'TrafficExtension',
  versions: ['v1alpha1'],
  plural: 'trafficextensions',
  spec: z.strictObject({
    ...attachmentShape,
    wasm: z.strictObject(moduleShape).optional(),
    lua: z.strictObject({ inlineCode: text.optional() }).optional(),
  }),
  unenforced: WHY,
  validate(extension) {
    const faults = new Faults();
    const { wasm, lua } = extension;
    checkAttachment(extension, faults);
    if ((wasm === undefined) === (lua === undefined))
      faults.error('spec', 'an extension has one of wasm and lua');
    if (wasm !== undefined) checkModule(wasm, 'spec.wasm', faults);
    const { length } = lua?.inlineCode ?? '';
    if (lua !== undefined && length === 0)
      faults.error('spec.lua.inlineCode', 'inlineCode is empty');
    if (length > MAX_LUA)
      faults.error('spec.lua.inlineCode', `inlineCode has ${length} characters, want ${MAX_LUA}`);
    return faults.list;
  },
});
