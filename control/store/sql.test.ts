import { storeSuite } from '../../test/contract/store-suite.ts';
import { createSqlStore } from './sql.ts';
import { openSqlite } from './sqlite.ts';

storeSuite('sqlite', () => createSqlStore(openSqlite(':memory:')));
