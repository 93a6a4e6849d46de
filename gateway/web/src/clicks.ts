/** Which cookies and url parameters tell of a click or a browser. Pure; the tables are contracts/click_ids.md.
 *
 *  The gateway reads them; here they are only chosen, and left out where consent does not reach. */

const MEASURING = /^_ga(_|$)/;
const MARKETING =
  /^(_fb[pc]|_gcl_(aw|gb|ag)|ttclid|_ttp|_epik|_derived_epik|_scid(_r)?|li_fat_id|_rdt_(cid|uuid)|_uetmsclkid|crto_mapped_user_id|__kla_id|_(gac|aw_m)_.*)$/;
const CLICK =
  /^(fbclid|[dg]clid|[gw]braid|ttclid|epik|sccid|li_fat_id|rdt_cid|awc|tblci|msclkid|_kx|twclid|gad_(source|campaignid)|srsltid|gclsrc|_gl|ajs_[ua]id)$/i;

/** What the page's script can see of the cookies that count. They do not travel where the gateway has another domain. */
export const cookiesOf = (header: string, may_measure: boolean, may_market: boolean): string =>
  header
    .split("; ")
    .filter((pair) => {
      const name = pair.split("=")[0]!;
      return (may_measure && MEASURING.test(name)) || (may_market && MARKETING.test(name));
    })
    .join("; ");

const parameters = (url: string): string[] => (url.split("#")[0]!.split("?")[1] ?? "").split("&");
const nameOf = (pair: string): string => pair.split("=")[0]!;

/** Whether a url tells where its visitor came from. */
export const hasClicks = (url: string): boolean =>
  parameters(url).some((pair) => CLICK.test(nameOf(pair)) || /^utm_/i.test(pair));

/** The url without click ids: for a visitor who did not allow marketing. The campaign's name tells of no person. */
export function withoutClicks(url: string): string {
  const kept = parameters(url).filter((pair) => !CLICK.test(nameOf(pair)));
  return url.replace(/\?[^#]*/, kept.length ? "?" + kept.join("&") : "");
}
