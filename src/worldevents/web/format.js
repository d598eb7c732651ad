/** Numbers, units, spans of time and days in the reader's language. What is shown of a total is rounded down. */

const UNITS = { kg: 'kilogram', g: 'gram', lb: 'pound', km: 'kilometer', m: 'meter', mi: 'mile', h: 'hour', min: 'minute' };
const SPANS = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]];
const made = new Map();

/** An Intl object, made once for each language and options. */
function intl(kind, locale, options) {
  const name = kind + locale + JSON.stringify(options);
  if (!made.has(name)) made.set(name, new Intl[kind](locale, options));
  return made.get(name);
}

export class Format {
  /** @param {string} [locale] @param {Record<string, string[]>} [units] words of units: one, many */
  constructor(locale, units = {}) {
    try {
      this.locale = locale ? Intl.getCanonicalLocales(locale)[0] : undefined;
    } catch {
      this.locale = undefined;
    }
    this.units = units;
  }

  number(value, options = {}) {
    return intl('NumberFormat', this.locale, { maximumFractionDigits: 3, roundingMode: 'floor', ...options }).format(value);
  }

  /** A value in its unit: one that Intl knows, or a word of ours. */
  amount(value, unit, options = {}) {
    if (UNITS[unit]) return this.number(value, { style: 'unit', unit: UNITS[unit], ...options });
    const words = this.units[unit] ?? [unit];
    const one = intl('PluralRules', this.locale, {}).select(value) === 'one';
    return `${this.number(value, options)} ${one ? words[0] : words.at(-1)}`;
  }

  percent(value, maximumFractionDigits = 2) {
    return this.number(value / 100, { style: 'percent', maximumFractionDigits });
  }

  /** The two largest parts of a span: "9 days 4 hours". */
  span(milliseconds) {
    let rest = Math.max(0, Math.floor(milliseconds / 1000));
    const first = Math.max(0, SPANS.findIndex(([, size]) => rest >= size));
    const parts = SPANS.slice(first, first + 2).map(([unit, size]) => {
      const count = Math.floor(rest / size);
      rest %= size;
      return this.number(count, { style: 'unit', unit, unitDisplay: 'long' });
    });
    return intl('ListFormat', this.locale, { type: 'unit', style: 'narrow' }).format(parts);
  }

  day(instant) {
    return intl('DateTimeFormat', this.locale, { day: 'numeric', month: 'short' }).format(instant);
  }
}
