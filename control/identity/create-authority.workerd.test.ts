/** The authority inside workerd. */
import { authoritySuite } from '../../test/contract/authority-suite.ts';

authoritySuite('workerd');
