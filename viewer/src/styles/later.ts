import { later } from '.';

const parts = import.meta.glob<string>(
  '../parts/{changes,details,exporting,json,keys,neighbours,proof}.css',
  { eager: true, query: '?inline', import: 'default' },
);

later.replaceSync(Object.values(parts).join('\n'));
