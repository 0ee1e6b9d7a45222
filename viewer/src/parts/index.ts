/** The parts that are seen at first; ../more.ts has the others. */
import './chips';
import './facets';
import './filter';
import './histogram';
import './ledger';
import './list';
import './menu';
import './panel';
import './range';
import './search';
import './status';
import './views';
