import { headSuite } from '../../test/contract/head-suite.ts';
import { HeaderList } from './header-list.ts';

headSuite({ name: 'list', make: (fields) => new HeaderList(fields), keepsOrder: true });
