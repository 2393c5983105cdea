// Sets the theme that the person chose before the first paint, so that nothing flashes. The rest of the theme is in src/core/theme.ts.
try {
  var chosen = localStorage.getItem('intercom.theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
} catch (e) {
  // Storage is off: the system's theme holds.
}
