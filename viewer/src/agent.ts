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

/** Whatever says more than these browsers do may be any program, as is what an app shows within itself (`wv`). */
const PLAIN =
  /^Mozilla\/5\.0 \((?![^()]*; wv\))[^()]*\)(?: (?:AppleWebKit|Gecko|Chrome|CriOS|Firefox|FxiOS|Version|Mobile|Safari|Edg|EdgA|EdgiOS|OPR|SamsungBrowser)\/[\w.+]+| \(KHTML, like Gecko\)| Mobile)+$/;

/** "Chrome 141 on Windows"; null where the text is not that of a browser that is known. */
export function browserOf(agent: string): { browser: string; system: string } | null {
  if (!PLAIN.test(agent)) return null;
  const system = SYSTEMS.find(([pattern]) => pattern.test(agent))?.[1];
  for (const [pattern, name] of BROWSERS) {
    const version = pattern.exec(agent)?.[1];
    if (version) return system ? { browser: `${name} ${version}`, system } : null;
  }
  return null;
}
