/** Kinds whose bodies no schema looks into: what people's files hold of them, and what analysis reads. */
import { z } from 'zod';

const words = z.record(z.string(), z.string());
const container = z.looseObject({
  name: z.string().optional(),
  image: z.string().optional(),
  ports: z.array(z.looseObject({ containerPort: z.int().optional() })).optional(),
});
const pod = z.looseObject({
  hostNetwork: z.boolean().optional(),
  containers: z.array(container).optional(),
  initContainers: z.array(container).optional(),
});
const deployment = z.looseObject({
  selector: z.looseObject({ matchLabels: words.optional() }).optional(),
  template: z
    .looseObject({
      metadata: z
        .looseObject({ labels: words.optional(), annotations: words.optional() })
        .optional(),
      spec: pod.optional(),
    })
    .optional(),
});

export const looseSpecs: Readonly<Record<string, z.ZodType>> = {
  Pod: pod,
  Deployment: deployment,
};
