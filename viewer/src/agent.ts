/** How browsers name themselves, in the order in which they are tried: most claim to be others as well. */
const BROWSERS = [
  [/\b(?:Edg|EdgA|EdgiOS)\/(\d+)/, 'Edge'],
  [/\bOPR\/(\d+)/, 'Opera'],
  [/\b(?:Firefox|FxiOS)\/(\d+)/, 'Firefox'],
  [/\bSamsungBrowser\/(\d+)/, 'Samsung Internet'],
  [/\b(?:Chrome|CriOS)\/(\d+)/, 'Chrome'],
  [/\bVersion\/(\d+)[\d.]* (?:Mobile\/\w+ )?Safari\//, 'Safari'],
] as const;

const SYSTEMS = [
  [/\bWindows NT\b/, 'Windows'],
  [/\biPhone\b/, 'iOS'],
  [/\biPad\b/, 'iPadOS'],
  [/\bAndroid\b/, 'Android'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bMacintosh\b/, 'macOS'],
  [/\bLinux\b/, 'Linux'],
] as const;

/**
 * The system, and what names the browser. Whatever says more than these browsers do may be any program, as is what an app
 * shows within itself (`wv`; before that, a Chrome with a version of its own).
 */
const PLAIN =
  /^Mozilla\/5\.0 \((?!compatible)(?![^()]*; wv\))([^()/]*)\)((?: (?:AppleWebKit|Gecko|Chrome|CriOS|Firefox|FxiOS|Version|Mobile|Safari|Edg|EdgA|EdgiOS|OPR|SamsungBrowser)\/[\w.+]+| \(KHTML, like Gecko\)| Mobile)+)$/;

/** "Chrome 141 on Windows"; null where the text is not that of a browser that is known. */
export function browserOf(agent: string): { browser: string; system: string } | null {
  const [, place, names] = PLAIN.exec(agent) ?? [];
  if (place === undefined || names === undefined) return null;
  if (names.includes(' Version/') && names.includes(' Chrome/')) return null;
  const system = SYSTEMS.find(([pattern]) => pattern.test(place))?.[1];
  for (const [pattern, name] of BROWSERS) {
    const version = pattern.exec(names)?.[1];
    if (version) return system ? { browser: `${name} ${version}`, system } : null;
  }
  return null;
}
