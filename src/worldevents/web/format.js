/** Numbers, units and time in the reader's language. */

const UNITS = { kg: 'kilogram', lb: 'pound', km: 'kilometer', mi: 'mile' };
const SPANS = { day: 86400, hour: 3600, minute: 60, second: 1 };
const made = new Map();

function intl(kind, locale, options) {
  const name = kind + locale + JSON.stringify(options);
  if (!made.has(name)) made.set(name, new Intl[kind](locale, options));
  return made.get(name);
}

export class Format {
  constructor(locale, units) {
    this.units = units;
    try {
      [this.locale] = Intl.getCanonicalLocales(locale || []);
    } catch {
      // A language that nobody knows: the browser's own.
    }
  }

  number(value, options) {
    return intl('NumberFormat', this.locale, options).format(value);
  }

  /** In a unit that Intl knows, or with a word of ours: [one, many]. */
  amount(value, unit, options) {
    if (UNITS[unit]) return this.number(value, { style: 'unit', unit: UNITS[unit], ...options });
    const words = this.units[unit] ?? [unit];
    const isOne = intl('PluralRules', this.locale).select(value) === 'one';
    return `${this.number(value, options)} ${words[isOne ? 0 : words.length - 1]}`;
  }

  percent(value) {
    return this.number(value / 100, { style: 'percent', maximumFractionDigits: 2 });
  }

  /** The two largest parts. */
  span(milliseconds) {
    let rest = Math.max(0, milliseconds / 1000);
    const parts = [];
    for (const unit in SPANS) {
      const count = Math.floor(rest / SPANS[unit]);
      rest %= SPANS[unit];
      if ((count || parts.length || unit === 'second') && parts.length < 2) parts.push(this.number(count, { style: 'unit', unit, unitDisplay: 'long' }));
    }
    return intl('ListFormat', this.locale, { type: 'unit', style: 'narrow' }).format(parts);
  }

  day(instant) {
    return intl('DateTimeFormat', this.locale, { day: 'numeric', month: 'short' }).format(instant);
  }
}
