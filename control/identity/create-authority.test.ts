/** The authority in Node. */
import { authoritySuite } from '../../test/contract/authority-suite.ts';

authoritySuite('Node');
