import { describe, expect, it } from 'vitest';
import { countersOf, mergeStats } from './stats-merge.ts';

const one = `# HELP a_total Things.
# TYPE a_total counter
a_total{to="x \\" } y",code="2xx"} 3
a_total{to="z"} 1
# HELP b Now.
# TYPE b gauge
b 5
# HELP c_info What runs.
# TYPE c_info gauge
c_info{version="1"} 1
# HELP d Sizes.
# TYPE d histogram
d_bucket{le="1"} 1
d_bucket{le="+Inf"} 2
d_sum 7.5
d_count 2
`;
const two = `# HELP a_total Things.
# TYPE a_total counter
a_total{to="z"} 4
# HELP b Now.
# TYPE b gauge
b 2
# HELP c_info What runs.
# TYPE c_info gauge
c_info{version="1"} 1
# HELP d Sizes.
# TYPE d histogram
d_bucket{le="1"} 0
d_bucket{le="+Inf"} 1
d_sum 3
d_count 1
`;

describe('stats of several processes', () => {
  it('are sums, each family once', () => {
    expect(mergeStats([one, two])).toBe(`# HELP a_total Things.
# TYPE a_total counter
a_total{to="x \\" } y",code="2xx"} 3
a_total{to="z"} 5
# HELP b Now.
# TYPE b gauge
b 7
# HELP c_info What runs.
# TYPE c_info gauge
c_info{version="1"} 1
# HELP d Sizes.
# TYPE d histogram
d_bucket{le="1"} 1
d_bucket{le="+Inf"} 3
d_sum 10.5
d_count 3
`);
  });

  it('keep of a process that is gone what counts up', () => {
    expect(countersOf(two)).toBe(`# HELP a_total Things.
# TYPE a_total counter
a_total{to="z"} 4
# HELP d Sizes.
# TYPE d histogram
d_bucket{le="1"} 0
d_bucket{le="+Inf"} 1
d_sum 3
d_count 1
`);
    expect(mergeStats(['', countersOf(one), ''])).toContain('a_total{to="z"} 1');
  });
});
