import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import type { Observable } from '../cell';
import { type ExportFormat, fileName } from '../export-file';
import { ExportJob } from '../export-job';
import { define, Part } from '../part';
import { problemWords } from '../problem-words';

const FORMATS: ExportFormat[] = ['csv', 'jsonl'];

/** Milliseconds after which a browser has surely begun to save a file. */
const SAVING = 60_000;

/** A file of what is on the screen, made here of the same pages that the list is made of. It goes on while the panel is closed. */
export class Exporting extends Part {
  static override properties = {
    ...Part.properties,
    format: { state: true },
    total: { state: true },
    job: { state: true },
    name: { state: true },
  };
  declare format: ExportFormat;
  /** Of the query on the screen; not known, or not to be had: null. */
  declare total: { count: number; capped: boolean } | null;
  declare job: ExportJob | null;
  /** The file's, once it was saved. */
  declare name: string;
  #counted: string | null = null;
  #counting = new AbortController();

  constructor() {
    super();
    this.format = 'csv';
    this.total = this.job = null;
    this.name = '';
  }

  protected override watched(): Observable[] {
    return [this.viewer.panel, this.viewer.query];
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.job?.cancel();
    this.#counting.abort();
    this.#counted = null;
  }

  protected override willUpdate(_changed: PropertyValues): void {
    const query = `${this.viewer.query.value}`;
    if (this.viewer.panel.value !== 'export' || this.job || this.#counted === query) return;
    this.#counted = query;
    void this.#count();
  }

  override render() {
    return html`<div class="exporting">${this.job ? this.#running(this.job) : this.#choosing()}</div>`;
  }

  #choosing(): TemplateResult {
    const { exporting } = this.t;
    const choice = (format: ExportFormat) => html`<label class="exporting-format">
      <input type="radio" name="format" value=${format} .checked=${this.format === format}
        @change=${() => {
          this.format = format;
        }}>
      <span>${exporting[format]}<span class="muted exporting-hint">${exporting[`${format}Hint`]}</span></span>
    </label>`;
    const none = this.total?.count === 0;
    return html`<p>${exporting.what}</p>
      <p class="exporting-total" role="status">${none ? exporting.none : (this.#total() ?? exporting.counting)}</p>
      <fieldset class="exporting-formats"><legend>${exporting.format}</legend>${FORMATS.map(choice)}</fieldset>
      <button class="button primary" ?disabled=${none} @click=${this.#start}>${exporting.start}</button>`;
  }

  #running(job: ExportJob): TemplateResult {
    const { exporting } = this.t;
    const rows = this.viewer.number(job.rows);
    if (job.state === 'done') {
      return html`<p role="status">${exporting.done(job.rows, rows, this.name)}</p>
        <div class="exporting-buttons">
          <button class="button" @click=${() => this.#save(job)}>${exporting.saveAgain}</button>
          <button class="button" @click=${this.#end}>${exporting.another}</button>
        </div>`;
    }
    const { count, capped } = this.total ?? { count: 0, capped: true };
    const known = !capped && count > 0;
    const total = this.#total();
    return html`<label class="exporting-progress">${exporting.progress}
        <progress max=${known ? Math.max(count, job.rows) : 1} .value=${known ? job.rows : nothing}></progress></label>
      <p class="muted">${total ? exporting.of(rows, total) : exporting.rows(job.rows, rows)}</p>
      ${job.state === 'waiting' ? html`<p role="status">${exporting.waiting}</p>` : nothing}
      ${
        job.state === 'stopped'
          ? html`<div role="alert"><p class="wrong">${problemWords(this.t, job.problem)}</p>
            <p>${exporting.stopped(rows)}</p></div>`
          : nothing
      }
      <div class="exporting-buttons">
        ${
          job.state === 'stopped'
            ? html`<button class="button primary" @click=${() => this.#run(job)}>${exporting.goOn}</button>
              <button class="button" @click=${() => this.#save(job)}>${exporting.keep}</button>`
            : nothing
        }
        <button class="button" @click=${this.#end}>${exporting.cancel}</button>
      </div>`;
  }

  #total(): string | null {
    if (!this.total) return null;
    const { exporting } = this.t;
    const written = this.viewer.number(this.total.count);
    return this.total.capped ? exporting.atLeast(written) : exporting.rows(this.total.count, written);
  }

  async #count(): Promise<void> {
    this.#counting.abort();
    this.#counting = new AbortController();
    const { signal } = this.#counting;
    this.total = null;
    const parameters = [...this.viewer.query.value, ['top', '1'], ['buckets', '1']] as const;
    try {
      const { total } = await this.viewer.api.facets(
        parameters as Iterable<readonly [string, string]>,
        signal,
      );
      if (!signal.aborted) this.total = total;
    } catch {
      // The number is for the eye: what is wrong is told where the export itself fails.
    }
  }

  #start = () => {
    const job = new ExportJob(this.viewer.api, this.viewer.query.value, this.format, new Date());
    job.listen(() => this.requestUpdate());
    this.job = job;
    void this.#run(job);
  };

  async #run(job: ExportJob): Promise<void> {
    await job.run();
    if (job.state !== 'done' || this.job !== job) return;
    this.#save(job);
    const { format, rows } = job;
    this.viewer.tell('audit-log-export', { format, rows });
    this.viewer.announcements.say(this.t.exporting.done(rows, this.viewer.number(rows), this.name));
  }

  #save(job: ExportJob): void {
    const tenant = this.viewer.about.value?.tenant_id ?? 'log';
    this.name = fileName(job.format, tenant, this.viewer.when.value.day(new Date().toISOString()));
    const address = URL.createObjectURL(job.file);
    const link = Object.assign(document.createElement('a'), { href: address, download: this.name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), SAVING);
  }

  #end = () => {
    this.job?.cancel();
    this.job = null;
    this.#counted = null;
  };
}

define('audit-log-exporting', Exporting);
