// Light or dark: what the system says, unless somebody chose. A classic script, so that it is done before the first paint.
{
  const NAME = 'keylane-theme';
  const chosen = () => {
    try {
      return localStorage.getItem(NAME) ?? 'auto';
    } catch {
      // Storage may be switched off; the choice then lasts as long as the page.
      return 'auto';
    }
  };
  const apply = (theme: string) => {
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    dispatchEvent(new Event('themechange'));
  };
  apply(chosen());
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => apply(chosen()));
  addEventListener('DOMContentLoaded', () => {
    const select = document.getElementById('theme');
    // A page that offers no choice follows the one that was made.
    if (!(select instanceof HTMLSelectElement)) return;
    select.value = chosen();
    select.addEventListener('change', () => {
      try {
        localStorage.setItem(NAME, select.value);
      } catch {
        // As above.
      }
      apply(select.value);
    });
  });
}
