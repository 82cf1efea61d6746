import { Buffer } from "node:buffer";

/** The names and abbreviations of the months, by language: twelve words, each with its forms. */
const LANGUAGES: Readonly<Record<string, string>> = {
  en:
    "jan/january feb/february mar/march apr/april may jun/june jul/july aug/august sep/sept/september oct/october nov/november dec/december",
  de:
    "jan/jän/januar/jänner feb/februar mär/mrz/märz apr/april mai jun/juni jul/juli aug/august sep/sept/september okt/oktober nov/november dez/dezember",
  fr:
    "jan/janv/janvier fév/fev/févr/fevr/février mar/mars avr/avril mai juin juil/juillet aoû/août/aou/aout sep/sept/septembre oct/octobre nov/novembre déc/dec/décembre",
  it:
    "gen/gennaio feb/febbraio mar/marzo apr/aprile mag/maggio giu/giugno lug/luglio ago/agosto set/sett/settembre ott/ottobre nov/novembre dic/dicembre",
  es:
    "ene/enero feb/febrero mar/marzo abr/abril may/mayo jun/junio jul/julio ago/agosto sep/sept/septiembre oct/octubre nov/noviembre dic/diciembre",
  pt:
    "jan/janeiro fev/fevereiro mar/março abr/abril mai/maio jun/junho jul/julho ago/agosto set/setembro out/outubro nov/novembro dez/dezembro",
  ca:
    "gen/gener feb/febr/febrer març abr/abril mai/maig jun/juny jul/juliol ago/agost set/setembre oct/octubre nov/novembre des/desembre",
  nl:
    "jan/januari feb/februari mrt/maart apr/april mei jun/juni jul/juli aug/augustus sep/september okt/oktober nov/november dec/december",
  sv:
    "jan/januari feb/februari mar/mars apr/april maj jun/juni jul/juli aug/augusti sep/september okt/oktober nov/november dec/december",
  da:
    "jan/januar feb/februar mar/marts apr/april maj jun/juni jul/juli aug/august sep/september okt/oktober nov/november dec/december",
  nb:
    "jan/januar feb/februar mar/mars apr/april mai jun/juni jul/juli aug/august sep/september okt/oktober nov/november des/desember",
  fi: "tammi helmi maalis huhti touko kesä heinä elo syys loka marras joulu",
  et: "jaan veebr märts apr/aprill mai juuni juuli aug/august sept okt nov dets",
  cs:
    "led/leden/ledna úno/únor/února bře/březen/března dub/duben/dubna kvě/květen/května čen/červen/června čec/červenec/července srp/srpen/srpna zář/září říj/říjen/října lis/listopad/listopadu pro/prosinec/prosince",
  sk: "jan feb mar apr máj jún júl aug sep okt nov dec",
  pl: "sty lut mar kwi maj cze lip sie wrz paź lis gru",
  hr: "sij velj ožu tra svi lip srp kol ruj lis/listopad stu pro",
  sl: "jan feb mar apr maj jun jul avg sep okt nov dec",
  hu:
    "jan/január feb/febr/február már/márc/március ápr/április máj/május jún/június júl/július aug/augusztus sze/szept/szeptember okt/október nov/november dec/december",
  ro:
    "ian/ianuarie feb/februarie mar/martie apr/aprilie mai iun/iunie iul/iulie aug/august sep/sept/septembrie oct/octombrie nov/noiembrie dec/decembrie",
  tr:
    "oca/ocak şub/şubat mar/mart nis/nisan may/mayıs haz/haziran tem/temmuz ağu/ağustos eyl/eylül eki/ekim kas/kasım ara/aralık",
  id: "jan feb mar apr mei jun jul agu/agt sep okt nov des",
  ru:
    "янв/января фев/февр/февраля мар/марта апр/апреля май/мая июн/июня июл/июля авг/августа сен/сент/сентября окт/октября ноя/нояб/ноября дек/декабря",
  uk:
    "січ/січня лют/лютого бер/березня кві/квіт/квітня тра/трав/травня чер/черв/червня лип/липня сер/серп/серпня вер/верес/вересня жов/жовт/жовтня лис/лист/листопада гру/груд/грудня",
  bg: "яну фев мар апр май юни юли авг сеп окт ное дек",
  el: "ιαν φεβ μαρ/μάρ απρ μάι/μαΐ ιουν/ιούν ιουλ/ιούλ αυγ/αύγ σεπ/σεπτ οκτ νοε/νοέ δεκ",
};

/** Month by name. A name that means two months, as "lis" in Czech and Croatian, is none. */
const MONTHS: ReadonlyMap<string, number> = toMonths();

/**
 * Returns the month, from 1 to 12, of a name or abbreviation as it was received, one character per byte, in UTF-8 or
 * Latin-1. Returns undefined for any other word.
 */
export function monthOf(word: string): number | undefined {
  const plain = MONTHS.get(word.toLowerCase());
  if (plain !== undefined) return plain;
  const bare = word.replace(/\.?,?$/, "");
  const text = Buffer.from(bare, "latin1").toString("utf8");
  const name = text.includes("\ufffd") ? bare : text;
  return MONTHS.get(name.toLowerCase().normalize("NFC"));
}

function toMonths(): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  const ambiguous = new Set<string>();
  for (const months of Object.values(LANGUAGES)) {
    months.split(" ").forEach((forms, index) => {
      for (const form of forms.split("/")) {
        if ((found.get(form) ?? index + 1) !== index + 1) ambiguous.add(form);
        found.set(form, index + 1);
      }
    });
  }
  for (const form of ambiguous) found.delete(form);
  return found;
}
