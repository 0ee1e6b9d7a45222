/** What is loaded after the first rows, as one file: what people open, and what checks the proofs. */
import { en } from './locale/en';
import { later } from './locale/en-later';
import './parts/details';
import './parts/exporting';
import './parts/keys';
import './parts/proof';
import './styles/later';

Object.assign(en, later);

export { Checker } from './proof/checker';
export { titlesOf } from './titles';
