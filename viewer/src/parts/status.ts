import { html } from 'lit';
import { recent } from '../icons';
import { define, Part } from '../part';
import { zoneOf } from '../when';

/** The line below the list: whether new ones come by themselves, in which zone times are, and the ledger's proof. */
export class Status extends Part {
  /** The zone that the host set. */
  #home = 'UTC';

  protected override watched() {
    const { timeline, query, zone } = this.viewer;
    return [timeline, query, zone];
  }

  override render() {
    const { viewer, t } = this;
    const { liveness, isOver } = viewer.timeline;
    const state = liveness === 'off' && isOver ? 'ended' : liveness;
    return html`<footer class="status" part="status">
      <span class="status-live ${state}" part="live"><span class="status-dot"></span>${t.status.live[state]}</span>
      ${this.#zone()}
      <audit-log-ledger class="status-ledger" .viewer=${viewer}></audit-log-ledger>
    </footer>`;
  }

  /** Switches between the reader's own zone, the browser's and UTC. */
  #zone() {
    const { viewer, t } = this;
    const { zone } = viewer.when.value;
    if (viewer.zone.value === null) this.#home = zone;
    const zones = [...new Set([this.#home, zoneOf(null), 'UTC'])];
    const next = zones[(zones.indexOf(zone) + 1) % zones.length] ?? 'UTC';
    const name = (one: string) => one.replaceAll('_', ' ');
    const change = () => {
      viewer.zone.value = next;
    };
    return html`<button
      type="button"
      class="status-zone"
      title=${t.status.switchTo(name(next))}
      aria-label=${`${t.status.zone(name(zone))}. ${t.status.switchTo(name(next))}`}
      ?disabled=${next === zone}
      @click=${change}
    >${recent}<span class="status-zone-name">${t.status.zone(name(zone))}</span></button>`;
  }
}

define('audit-log-status', Status);
