import { expect, test } from 'vitest';
import { browserOf } from '../src/agent';

const KHTML = 'AppleWebKit/537.36 (KHTML, like Gecko)';

test.each([
  [
    `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${KHTML} Chrome/141.0.0.0 Safari/537.36`,
    'Chrome 141',
    'Windows',
  ],
  [
    `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${KHTML} Chrome/141.0.0.0 Safari/537.36 Edg/141.0.3537.57`,
    'Edge 141',
    'Windows',
  ],
  ['Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0', 'Firefox 143', 'Linux'],
  [
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15',
    'Safari 26',
    'macOS',
  ],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1',
    'Safari 26',
    'iOS',
  ],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/141.0.7390.41 Mobile/15E148 Safari/604.1',
    'Chrome 141',
    'iOS',
  ],
  [
    `Mozilla/5.0 (Linux; Android 10; K) ${KHTML} Chrome/141.0.0.0 Mobile Safari/537.36`,
    'Chrome 141',
    'Android',
  ],
  [
    `Mozilla/5.0 (Linux; Android 10; K) ${KHTML} SamsungBrowser/29.0 Chrome/136.0.0.0 Mobile Safari/537.36`,
    'Samsung Internet 29',
    'Android',
  ],
])('%s', (agent, browser, system) => {
  expect(browserOf(agent)).toEqual({ browser, system });
});

test.each([
  '',
  'Lynx',
  'curl/8.5.0',
  'python-requests/2.32.3',
  'Chrome 141 on Windows',
  'Mozilla/5.0',
  // Who names more than a browser is not called by the browser's name.
  `Mozilla/5.0 ${KHTML}; compatible; GPTBot/1.1; +https://example.com/bot`,
  'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)',
  `Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) ${KHTML} Chrome/141.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1)`,
  `Mozilla/5.0 (X11; Linux x86_64) ${KHTML} HeadlessChrome/141.0.0.0 Safari/537.36`,
  `Mozilla/5.0 (Windows NT 10.0) ${KHTML} Slack/4.46 Chrome/141.0.0.0 Electron/38 Safari/537.36`,
  `Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) ${KHTML} Version/4.0 Chrome/141.0.0.0 Mobile Safari/537.36`,
  `Mozilla/5.0 (Linux; U; Android 4.4; Nexus 5) ${KHTML} Version/4.0 Chrome/120.0.0.0 Mobile Safari/537.36`,
  `Mozilla/5.0 (Windows NT 10.0; evil Firefox/3) ${KHTML} Chrome/141.0.0.0 Safari/537.36`,
  'Mozilla/5.0 (compatible; Windows NT 10.0; bot) Chrome/141.0',
  `Mozilla/5.0 (PlayStation 5) ${KHTML} Chrome/141.0.0.0 Safari/537.36`,
  `Mozilla/5.0 (Windows NT 10.0) ${KHTML} Chrome/141.0.0.0 Safari/537.36\n`,
])('never guessed: %s', (agent) => {
  expect(browserOf(agent)).toBeNull();
});

test('a long text of no browser takes no time', () => {
  expect(browserOf(`Mozilla/5.0 (Windows NT 10.0)${' Mobile'.repeat(20_000)}!`)).toBeNull();
  expect(browserOf(`Mozilla/5.0 (Windows NT 10.0)${' Version/4 Mobile'.repeat(20_000)}!`)).toBeNull();
  expect(browserOf(`Mozilla/5.0 (${'; wv'.repeat(20_000)}`)).toBeNull();
});
