/** A share as a small bar, with its words for who cannot see it. */
export function Meter({ share, label }: { readonly share: number; readonly label: string }) {
  const percent = Math.round(Math.min(1, Math.max(0, share)) * 100);
  // A list of 300 rows has 300 of them: an SVG needs no style attribute, which the page's policy forbids.
  return (
    <svg
      class={`meter ${percent >= 90 ? 'meter-full' : percent >= 70 ? 'meter-high' : ''}`}
      viewBox="0 0 100 6"
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      <rect class="meter-ground" width="100" height="6" />
      <rect class="meter-value" width={percent} height="6" />
    </svg>
  );
}
