// Explicit-state model checker of the protocol of pushes and collections: breadth first, in one process, so that a violation comes with its
// shortest schedule. README.md says how to run it. A tool to think with, not an example of style.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <sys/mman.h>
#include <vector>
using namespace std;
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
enum { GONE, PUBL, LIVE, COND, DELING };
enum { KNONE, KCLAIM, KSTORED, KLIVE, KCOND, KDEL, KTOMB };
static const char *PS[] = {"gone", "publishing", "live", "condemned", "deleting"};
static const char *KS[] = {"-", "claimed", "stored", "live", "condemned", "deleting", "tomb"};
// rv: the row's declaration; nrv: that of the narinfo in the bucket; flv, zv: of a PUT under way. unw: live, and its narinfo is to be
// written anew; gch: the row has changed since the intent was opened (its generation). bar: declarations that are barred; wd: a recorded
// withdrawal names it.
struct Path {
  u32 st : 3, tch : 3, kj : 2, pub : 1, it : 2, flP : 2, flD : 1, resp : 1, fen : 1, ni : 2, zP : 2, zD : 1, rv : 1, nrv : 1, by : 2,
      flv : 1, zv : 1, unw : 1, gch : 1, pad : 2;
  u32 bar : 2, rank : 2, wd : 1, pad2 : 27;
};
// own: the trust group of whoever uploaded it; ver: a server has read the bytes; bad: they are not that NAR; kept: the former NAR of a path
// that was superseded.
struct Key {
  u32 st : 3, tch : 3, pres : 1, url : 1, it : 1, fl : 1, resp : 1, fen : 1, hold : 2, redel : 1, own : 2, ver : 1, bad : 1, kept : 1,
      bar : 1, pad : 11;
};
// unv: paths about whose contents it was told that they are unread, or others'; sup: paths it supersedes; swp: those it has swapped, whose
// narinfo is not recorded yet; hv: two bits a path, the declarations whose references it holds until it ends. wdn: it ended withdrawn.
// nopin: its pin was not moved, and it was told.
struct Push {
  u32 ph : 3, exp : 1, prom : 4, gr : 4, rnd : 2, unv : 4, sup : 4, swp : 4, wdn : 1, nopin : 1, pad : 4;
  u32 hv : 8, pad2 : 24;
};
struct Gc {
  u32 ph : 3, gr : 3, up : 4, uk : 12, zom : 1, pad : 9;
};
// pset: the closure that the pin was put on, pvar: its declarations then, pok: those of it that it may rely on; prank: whose word that is.
// wph: a withdrawal's phase, wg: its barrier, wu: what it withdraws. lie: an answer that was wrong when it was given.
struct S {
  Path p[4];
  Key k[4][3];
  Push u[2];
  Gc g[3];
  u32 ep : 3, pin : 1, pinc : 2, root : 4, pgr : 4, owner : 2, lie : 4, lieP : 4, wph : 3, wlift : 1, pad : 4;
  u32 m0 : 4, m1 : 4, mp : 4, wg : 3, wu : 4, pset : 4, pvar : 4, pok : 4, pad2 : 1;
  u32 prank : 2, pad3 : 30;
};
static_assert(sizeof(S) == 32 + 48 + 16 + 12 + 12, "size");
// ---- configuration
int NP = 2;
u8 refs[4] = {0};
u8 clo[4];
int cont[4] = {0, 1, 2, 3}, contV[2][4];
bool vd[4]; // NAR of a path, by declaration; vd: its declarations differ
int pg[2] = {0, 0}, prk[2] = {0, 0};
bool hostile[2] = {0, 0}, ride[2] = {0, 0};
int pinG = 0, pinR = 1;
u8 initOwn = 0, initBad = 0;
int initRank = 0, evP = 0; // groups, ranks, riding pins
int NC;
int NPUSH = 2, NGC = 1;
int pushRoot[2] = {1, 1};
bool stock[2] = {0, 0};
int pinPath = 1;
int PINS = 1;
u8 initLive = 3, initRoot = 2, initVar = 0;
int maxEp = 4;
u64 maxStates = 40000000, maxSeconds = 1000000;
map<string, int> F; // flags
int fLOCK, fGUARD, fPINCLO, fCORD, fSORD, fFENCE, fNOEXP, fHOLD, fOWNER, fKEEPF, fFORMERSAFE, fCTOUCH, fREFUSED, fPUBROOT, fCUTOFF,
    fCLOMISS, fSECONDCHK, eDUP, eLATE, eFORMER, eOVER, eRENEW, eCRASH, eSTAMPALL, eKEYFULL, fPUBREF, fEXPCOMMIT, fSHARECHK, eRESUME, eNEWG,
    fSWEEPREF, fREVIVEMARK, ePUBABORT, fRENEWCHK, fREDEL, fKWAVE, fWAVEDB, eGRACE, fGCLO, fSTOUCH, eUALL, eSTOCKGET, fSTOCKLEASE, eROUNDS,
    eSPLIT, fNAMEDCHK, fPUBWAIT, fHOLDROOT, fPINLIVE, fADOPTSTAMP, eONE, fUSEB, fUSEW, fUSEC, fUSEP, fSWHOLD, fKEPT, fKEPTREC, fSWGEN,
    fSWEND, fSWSTAMP, fRECMP, fFINCMP, fRAISE, fRAISEDECL, fRAISEFIN, eEVV, fSWREF, eVER, eWAIT, eEV, eLIFT, eEVPUB, fEVBARRIER, fEVWAIT,
    fEVSTAMP, fEVROLL, fEVREF, fEVBAR, fEVLOOK, fEVDECL, fEVORD, fEVOBJ, ePIN, eRET, eEXP;
struct Def {
  const char *n;
  int *v;
  int d;
};
Def defs[] = { // rules (1 = corrected protocol)
    {"LOCK", &fLOCK, 1},
    {"GUARD", &fGUARD, 1},
    {"PINCLO", &fPINCLO, 1},
    {"CORD", &fCORD, 1},
    {"SORD", &fSORD, 1},
    {"FENCE", &fFENCE, 1},
    {"NOEXP", &fNOEXP, 1},
    {"HOLD", &fHOLD, 1},
    {"HOLDROOT", &fHOLDROOT, 1},
    {"OWNER", &fOWNER, 1},
    {"KEEPF", &fKEEPF, 1},
    {"FORMERSAFE", &fFORMERSAFE, 1},
    {"CTOUCH", &fCTOUCH, 1},
    {"REFUSED", &fREFUSED, 1},
    {"PUBROOT", &fPUBROOT, 1},
    {"CUTOFF", &fCUTOFF, 0},
    {"CLOMISS", &fCLOMISS, 0},
    {"PUBREF", &fPUBREF, 1},
    {"EXPCOMMIT", &fEXPCOMMIT, 1},
    {"SWEEPREF", &fSWEEPREF, 0},
    {"PINLIVE", &fPINLIVE, 1},
    {"ADOPTSTAMP", &fADOPTSTAMP, 1},
    // rules that trust adds
    {"USEB", &fUSEB, 1},
    {"USEW", &fUSEW, 1},
    {"USEC", &fUSEC, 1},
    {"USEP", &fUSEP, 1},     // usable is asked at begin, wait, commit, pin
    {"SWHOLD", &fSWHOLD, 2}, // the old references stay roots until the new narinfo is recorded: 0 no, 1 those of the first half of the
                             // commit, 2 those of the swap as well
    {"KEPT", &fKEPT, 1},
    {"KEPTREC", &fKEPTREC, 1}, // the old NAR stays a root; until the new narinfo is recorded at least
    {"SWGEN", &fSWGEN, 1},     // a swap changes the generation
    {"SWEND", &fSWEND, 1},     // the push ends when the new narinfo is recorded
    {"SWSTAMP", &fSWSTAMP, 1}, // the new references and NAR are stamped in the swap's transaction
    {"SWREF", &fSWREF, 1},     // and live by then
    {"RECMP", &fRECMP, 1},     // the commit compares again what begin promised as declared
    {"FINCMP", &fFINCMP, 1},   // the second half compares again before it moves its pin
    {"RAISE", &fRAISE, 1},
    {"RAISEDECL", &fRAISEDECL, 1},
    {"RAISEFIN", &fRAISEFIN,
     1}, // a commit lends its rank to what it was promised; to what it declared and found published; in its second half, too
    {"EVBARRIER", &fEVBARRIER, 1}, // the bar comes with a barrier of its own; 0: the first design, bar under the shared lock
    {"EVWAIT", &fEVWAIT, 1},   // 1: waits for committing pushes that name what is withdrawn or hold it as an old reference; 3: name it; 2:
                               // for publishing rows alone; 0: no
    {"EVSTAMP", &fEVSTAMP, 0}, // a commit that meets a bar stamps all the same
    {"EVROLL", &fEVROLL, 1},   // a committing push that meets a bar ends withdrawn; 0: it waits
    {"EVREF", &fEVREF, 1},     // what refers to the barred path goes first, with it
    {"EVBAR", &fEVBAR, 1},     // a touch asks for the bar
    {"EVLOOK", &fEVLOOK, 0},   // even of what is live at g
    {"EVDECL", &fEVDECL, 1},   // a barred declaration is not published again
    {"EVOBJ", &fEVOBJ, 1},     // and with the barred object every other path that uses it
    {"EVORD", &fEVORD, 1},     // condemned referrers first
    // environment
    {"eVER", &eVER, 0},
    {"eWAIT", &eWAIT, 0},
    {"eEV", &eEV, 0},
    {"eLIFT", &eLIFT, 0},
    {"eEVV", &eEVV, -1},
    {"eEVPUB", &eEVPUB, 1},
    {"ePIN", &ePIN, 1},
    {"eRET", &eRET, 1},
    {"eEXP", &eEXP, 1},
    {"eDUP", &eDUP, 0},
    {"eLATE", &eLATE, 0},
    {"eFORMER", &eFORMER, 0},
    {"eOVER", &eOVER, 0},
    {"eRENEW", &eRENEW, 0},
    {"eCRASH", &eCRASH, 1},
    {"eSTAMPALL", &eSTAMPALL, 0},
    {"eNEWG", &eNEWG, 0},
    {"eROUNDS", &eROUNDS, 0},
    {"WAVEDB", &fWAVEDB, 1},
    {"RENEWCHK", &fRENEWCHK, 1},
    {"REDEL", &fREDEL, 1},
    {"KWAVE", &fKWAVE, 1},
    {"eGRACE", &eGRACE, 0},
    {"GCLO", &fGCLO, 1},
    {"STOUCH", &fSTOUCH, 1},
    {"eUALL", &eUALL, 0},
    {"eSTOCKGET", &eSTOCKGET, 0},
    {"STOCKLEASE", &fSTOCKLEASE, 1},
    {"eSPLIT", &eSPLIT, 0},
    {"eRESUME", &eRESUME, 0},
    {"NAMEDCHK", &fNAMEDCHK, 1},
    {"PUBWAIT", &fPUBWAIT, 1},
    {"NPUSH", &NPUSH, 2},
    {"NGC", &NGC, 1},
    {"PINS", &PINS, 1},
    {0, 0, 0}};
const char *NAME = "SQRT";
char nm[4] = {'Q', 'R', 'T', 'S'};
// ---- helpers
u8 refsV[4] = {0}; // second variant of references (another builder's declaration); equal to refs unless the universe says so
static inline bool isRefV(int v, int r, int q) { return (v ? refsV[r] : refs[r]) >> q & 1; }
static inline bool isRef(const S &s, int r, int q) { return isRefV(s.p[r].rv, r, q); }
u8 cloV[2][4];
static inline int ct(const S &s, int p) { return contV[s.p[p].rv][p]; }
static inline bool inPlay(const S &s, int p) {
  int t = s.p[p].st;
  return t == LIVE || t == PUBL || t == COND;
}
static inline bool barred(const S &s, int p) {
  auto &x = s.p[p];
  return x.st != GONE && ((x.bar >> x.rv & 1) || (fEVOBJ && s.k[ct(s, p)][x.kj].bar));
}
u8 upClo(const S &s, u8 re) {
  bool ch = true;
  while (ch) {
    ch = false;
    for (int p = 0; p < 4; p++)
      if ((re >> p & 1) && s.p[p].st != GONE)
        for (int r = 0; r < NP; r++)
          if (inPlay(s, r) && isRef(s, r, p) && !(re >> r & 1)) {
            re |= 1 << r;
            ch = true;
          }
  }
  return re;
}
u8 barSet(const S &s) {
  u8 b = 0;
  for (int p = 0; p < NP; p++)
    if (barred(s, p)) b |= 1 << p;
  return b ? upClo(s, b) : 0;
} // barred rows and all that refers to them
u8 rowClo(const S &s, u8 re) {
  bool ch = true;
  while (ch) {
    ch = false;
    for (int p = 0; p < 4; p++)
      if ((re >> p & 1) && (s.p[p].st == LIVE || s.p[p].st == PUBL || s.p[p].st == COND))
        for (int q = 0; q < 4; q++)
          if (isRef(s, p, q) && !(re >> q & 1)) {
            re |= 1 << q;
            ch = true;
          }
  }
  return re;
}
const char *LIE[] = {"",
                     "was told present, the bytes are wrong",
                     "was told stored, the bytes are wrong",
                     "was told committed, the bytes are wrong",
                     "was told committed, the content is another's, on the word of no higher rank",
                     "moved its pin onto contents that it did not declare",
                     "told present after the bar"};
string lieText(const S &s) { return string("LIE: ") + nm[s.lieP] + " " + LIE[s.lie]; }
string vio;
string check(const S &s) {
  {
    u8 m = s.m0 | s.m1 | s.mp;
    for (int p = 0; p < NP; p++)
      if ((m >> p & 1) && (s.p[p].st != LIVE || s.p[p].tch != s.ep))
        return string("TOUCH: ") + nm[p] + " was read as live at g under the shared lock and has changed";
  }
  for (int p = 0; p < NP; p++)
    if (s.p[p].ni) {
      if (!s.k[contV[s.p[p].nrv][p]][s.p[p].ni - 1].pres) return string("I1: narinfo ") + nm[p] + " visible, its NAR is not in the bucket";
      for (int q = 0; q < NP; q++)
        if (isRefV(s.p[p].nrv, p, q) && !s.p[q].ni) return string("I1: narinfo ") + nm[p] + " visible, narinfo " + nm[q] + " is not";
    }
  for (int p = 0; p < NP; p++)
    if (s.p[p].st == LIVE) {
      for (int q = 0; q < NP; q++)
        if (isRef(s, p, q) && s.p[q].st != LIVE) return string("LC: live ") + nm[p] + " refers to " + PS[s.p[q].st] + " " + nm[q];
      if (s.k[ct(s, p)][s.p[p].kj].st != KLIVE) return string("LC: live ") + nm[p] + " has object " + KS[s.k[ct(s, p)][s.p[p].kj].st];
      if (!s.p[p].unw && (s.p[p].ni != 1u + s.p[p].kj || s.p[p].nrv != s.p[p].rv))
        return string("AG: live ") + nm[p] + " but bucket narinfo differs";
    }
  for (int p = 0; p < NP; p++)
    if (s.p[p].st == COND)
      for (int q = 0; q < NP; q++)
        if (isRef(s, p, q) && s.p[q].st != LIVE && s.p[q].st != COND)
          return string("CC: condemned ") + nm[p] + " refers to " + PS[s.p[q].st] + " " + nm[q];
  for (int p = 0; p < NP; p++)
    if (s.p[p].st == DELING)
      for (int r = 0; r < NP; r++)
        if (isRef(s, r, p) && s.p[r].st != GONE && s.p[r].st != DELING)
          return string("CD: deleting ") + nm[p] + " has referrer " + nm[r] + " " + PS[s.p[r].st];
  if (s.lie) return lieText(s);
  // live at g: its closure is, and its NAR
  for (int p = 0; p < NP; p++)
    if (s.p[p].st == LIVE && s.p[p].tch == s.ep) {
      for (int q = 0; q < NP; q++)
        if (isRef(s, p, q) && s.p[q].tch != s.ep) return string("G: ") + nm[p] + " is live at g, " + nm[q] + " is not";
      if (s.k[ct(s, p)][s.p[p].kj].tch != s.ep) return string("G: ") + nm[p] + " is live at g, its NAR is not";
    }
  if (fEVBARRIER) {
    u8 b = barSet(s);
    for (int p = 0; p < NP; p++)
      if ((b >> p & 1) && s.p[p].st == LIVE && s.p[p].tch == s.ep)
        return string("EV: ") + nm[p] + " is live at g and barred, or refers to what is";
  }
  if (s.wph == 4 && !s.wlift) {
    if (fEVREF)
      for (int p = 0; p < NP; p++)
        if (s.p[p].st == LIVE && s.k[ct(s, p)][s.p[p].kj].bar)
          return string("EV: the withdrawal has ended, and live ") + nm[p] + " has the barred object";
    u8 b = barSet(s);
    for (int p = 0; p < NP; p++)
      if ((b >> p & 1) && inPlay(s, p)) return string("EV: the withdrawal has ended, and ") + nm[p] + " is " + PS[s.p[p].st];
  }
  if (s.pin)
    for (int p = 0; p < NP; p++)
      if ((s.pset >> p & 1) && s.p[p].st == LIVE && !s.p[p].wd) {
        if (vd[p] && s.p[p].rv != (s.pvar >> p & 1) && s.p[p].rank <= s.prank)
          return string("PIN: pinned ") + nm[p] + " has another's content, on the word of no higher rank";
        if ((s.pok >> p & 1) && s.k[ct(s, p)][s.p[p].kj].bad) return string("PIN: pinned ") + nm[p] + " has wrong bytes";
      }
  u8 rooted = 0;
  if (s.pin) rooted |= 1 << pinPath;
  rooted |= s.root;
  for (int p = 0; p < NP; p++)
    if (s.p[p].wd) rooted &= ~(1 << p);
  rooted = rowClo(s, rooted);
  for (int p = 0; p < NP; p++)
    if ((rooted >> p & 1) && !s.p[p].wd) {
      if (s.p[p].st != LIVE) return string("I2: ") + nm[p] + " is " + PS[s.p[p].st] + " though pinned or rooted";
    }
  for (int i = 0; i < NPUSH; i++)
    if ((s.u[i].ph == 1 || s.u[i].ph == 2) && !s.u[i].exp) {
      for (int p = 0; p < NP; p++)
        if ((s.u[i].prom >> p & 1) && !s.p[p].wd)
          if (s.p[p].st != LIVE || !s.p[p].ni)
            return string("I3: push") + char('A' + i) + " was told " + nm[p] + " present; it is " + PS[s.p[p].st];
      if (!hostile[i])
        for (int p = 0; p < NP; p++)
          if ((s.u[i].prom >> p & 1) && !(s.u[i].unv >> p & 1) && s.p[p].st == LIVE && s.k[ct(s, p)][s.p[p].kj].bad)
            return string("LIE: push") + char('A' + i) + " was told " + nm[p] + " present, the bytes are wrong";
      for (int c = 0; c < NC; c++)
        for (int j = 0; j < 3; j++)
          if ((s.k[c][j].hold >> i & 1) && !s.k[c][j].bar) {
            int t = s.k[c][j].st;
            if (!hostile[i] && s.k[c][j].bad && t != KCLAIM)
              return string("LIE: push") + char('A' + i) + " was told NAR of " + nm[c] + " stored, the bytes are wrong";
            if (t == KNONE || t == KDEL || t == KTOMB || t == KCOND)
              return string("I3: push") + char('A' + i) + " was told NAR of " + nm[c] + " (key " + char('0' + j) + ") is there; it is " +
                     KS[t];
            if ((t == KSTORED || t == KLIVE) && !s.k[c][j].pres)
              return string("I3: push") + char('A' + i) + " holds NAR " + nm[c] + " key " + char('0' + j) + ", bytes are not in the bucket";
          }
    }
  return "";
}
string checkEnd(const S &s) {
  for (int p = 0; p < NP; p++) {
    auto &x = s.p[p];
    if (x.st == PUBL || x.st == DELING) return string("STUCK: ") + nm[p] + " stays " + PS[x.st];
    if (x.st == GONE && x.ni) return string("ORPHAN: narinfo ") + nm[p] + " in the bucket, row is gone";
    if (x.it || x.flP || x.flD) return string("STUCK: intent left on ") + nm[p];
  }
  for (int i = 0; i < NPUSH; i++)
    if (s.u[i].ph == 2) return string("STUCK: push") + char('A' + i) + " stays committing";
  if (s.wph && s.wph != 4) return "STUCK: the withdrawal does not end";
  for (int c = 0; c < NC; c++)
    for (int j = 0; j < 3; j++) {
      auto &k = s.k[c][j];
      bool want = k.st == KLIVE || k.st == KCOND;
      if (k.st == KCLAIM || k.st == KSTORED || k.st == KDEL || k.st == KTOMB)
        return string("STUCK: key ") + nm[c] + char('0' + j) + " stays " + KS[k.st];
      if (k.pres && !want) return string("ORPHAN: NAR ") + nm[c] + char('0' + j) + " in the bucket";
      if (!k.pres && want) return string("LOST: NAR ") + nm[c] + char('0' + j);
    }
  return "";
}
typedef function<void(const S &, const string &)> Emit;
// touch of one path (state LIVE/COND) at epoch g
void revived(S &s, int p) {
  if (fCUTOFF)
    for (int k = 0; k < NGC; k++)
      if (s.g[k].ph == 3 || s.g[k].ph == 4) s.g[k].up &= ~(1u << p);
}
void revivedK(S &s, int c, int j) {
  if (fCUTOFF)
    for (int k = 0; k < NGC; k++)
      if (s.g[k].ph == 3 || s.g[k].ph == 4) s.g[k].uk &= ~(1u << (c * 3 + j));
}
void touchKey(S &s, int c, int j, int g) {
  auto &k = s.k[c][j];
  if (k.st == KCOND) {
    k.st = KLIVE;
    revivedK(s, c, j);
  }
  if (k.st == KLIVE && k.tch < (u32)g) k.tch = g;
}
void touchPath(S &s, int p, int g) {
  auto &x = s.p[p];
  if (x.st == COND) {
    x.st = LIVE;
    x.wd = 0;
    revived(s, p);
  }
  if (x.st == LIVE) {
    if (x.tch < (u32)g) x.tch = g;
    touchKey(s, ct(s, p), x.kj, g);
  }
}
// server-side walk; returns false if something is not promised. set = rows to stamp
bool walk(const S &s, int p, int g, u8 &set) {
  if (set >> p & 1) return true;
  auto &x = s.p[p];
  if (!fPINLIVE && x.tch == (u32)g) return true;
  if (fEVBAR && fEVLOOK && barred(s, p)) return false;
  if (x.st != LIVE && x.st != COND) return false;
  if (x.st == LIVE && x.tch == (u32)g) return true;
  if (fEVBAR && barred(s, p)) return false;
  set |= 1 << p;
  for (int q = 0; q < NP; q++)
    if (isRef(s, p, q))
      if (!walk(s, q, g, set)) return false;
  return true;
}
bool variant[2] = {0, 0};
u8 named(int i) { return stock[i] ? (1 << pushRoot[i]) : cloV[variant[i]][pushRoot[i]]; }
int vr(int p, int i) { return vd[p] ? variant[i] : 0; } // the declaration of p by push i
int pc(int p, int i) { return contV[vr(p, i)][p]; }     // and its NAR
bool usableBy(const Key &k, int grp) { return !k.bar && (k.ver || k.own == (u32)grp); }
enum { SAME, SUPERSEDE, UNREAD, OTHER };
int verdict(const S &s, int p, int i) {
  auto &x = s.p[p];
  bool same = x.rv == (u32)vr(p, i);
  auto &k = s.k[ct(s, p)][x.kj];
  if (same && usableBy(k, pg[i])) return SAME;
  bool read = false;
  for (int j = 0; j < 3; j++) {
    auto &o = s.k[pc(p, i)][j];
    if (o.ver && !o.bar && (o.st == KSTORED || o.st == KLIVE || o.st == KCOND)) read = true;
  }
  if (x.rank < (u32)prk[i] || (same && read)) return SUPERSEDE;
  return same ? UNREAD : OTHER;
}
bool lacks(const S &s, int p, int i) {
  int t = s.p[p].st;
  return t == GONE || t == DELING || (s.u[i].sup >> p & 1);
} // push i needs a NAR for p
u8 oldRefs(const S &s, int i) {
  u8 r = 0;
  for (int p = 0; p < NP; p++)
    for (int v = 0; v < 2; v++)
      if (s.u[i].hv >> (2 * p + v) & 1)
        for (int q = 0; q < NP; q++)
          if (isRefV(v, p, q)) r |= 1 << q;
  return r;
} // what the former narinfos of its paths need
void release(S &s, int i, bool ended) { // push i ends: its holds go; uploads nobody holds are to be collected
  for (int c = 0; c < NC; c++)
    for (int j = 0; j < 3; j++) {
      auto &k = s.k[c][j];
      bool had = k.hold >> i & 1;
      k.hold &= ~(1 << i);
      if ((k.st == KCLAIM || k.st == KSTORED)) {
        bool mine = fHOLD ? (had && k.hold == 0) : (j == 1 + i || (j == 0 && had));
        if (mine) {
          k.st = KDEL;
          if (!eLATE) k.url = 0;
        }
      }
    }
  s.u[i].prom = 0;
  s.u[i].sup = 0;
  s.u[i].swp = 0;
  s.u[i].hv = 0;
}
int availKey(const S &s, int c, int i) { // verified before unverified, live before condemned before stored, own before others'
  int best = -1, bv = -1;
  for (int j = 0; j < 3; j++) {
    auto &k = s.k[c][j];
    if (!(k.st == KSTORED || k.st == KLIVE || k.st == KCOND)) continue;
    if (k.bar) continue;
    if (fUSEC && !usableBy(k, pg[i])) continue;
    int v = k.ver * 16 + (k.st == KLIVE ? 8 : k.st == KCOND ? 4 : 0) + ((k.hold >> i & 1) ? 2 : 0);
    if (v > bv) {
      bv = v;
      best = j;
    }
  }
  return best;
}
void setPin(S &t, int rank, u8 unsure) {
  t.pin = 1;
  t.pset = rowClo(t, 1 << pinPath);
  t.pvar = 0;
  t.prank = rank;
  t.pok = t.pset & ~unsure;
  for (int p = 0; p < NP; p++)
    if (t.p[p].rv) t.pvar |= 1 << p;
}
void noPin(S &t) {
  t.pin = 0;
  t.pset = t.pvar = t.pok = t.prank = 0;
}
void lieAt(S &t, int what, int p) {
  if (!t.lie) {
    t.lie = what;
    t.lieP = p;
  }
}
// what push i was told when it ended committed
void judge(S &t, int i, u8 nmk) {
  if (hostile[i] || t.u[i].wdn) return;
  for (int p = 0; p < NP; p++)
    if ((nmk >> p & 1) && !(t.u[i].unv >> p & 1)) {
      auto &x = t.p[p];
      if (x.st != LIVE) continue;
      if (vd[p] && x.rv != (u32)vr(p, i) && x.rank <= (u32)prk[i]) lieAt(t, 4, p);
      if (t.k[ct(t, p)][x.kj].bad) lieAt(t, 3, p);
    }
  if (ride[i] && !t.u[i].nopin && t.pin)
    for (int p = 0; p < NP; p++)
      if ((nmk >> p & 1) && vd[p] && t.p[p].rv != (u32)vr(p, i) && t.p[p].rank <= (u32)prk[i]) lieAt(t, 5, p);
}
// the push ends: its root counts, its pin moves
void ended(S &t, int i, u8 nmk, int g) {
  auto &v = t.u[i];
  if (!v.wdn) {
    t.root |= 1 << pushRoot[i];
    if (ride[i] && !v.nopin && pushRoot[i] == pinPath) setPin(t, prk[i], v.unv);
  }
  judge(t, i, nmk);
  release(t, i, true);
  v.ph = 3;
  v.gr = 0;
  (i ? t.m1 : t.m0) = 0;
}
bool ownerOK(const S &s, int k) { return !fOWNER || s.owner == (u32)k + 1; }
void succ(const S &s, const Emit &emit) {
  int g = s.ep;
  auto A = [&](const char *f, int i) { return string(f) + "(" + char('A' + i) + ")"; };
  // ---- pushes
  for (int i = 0; i < NPUSH; i++) {
    auto &u = s.u[i];
    u8 nmk = named(i);
    if (u.ph == 3 || u.ph == 4) {
      if ((int)u.rnd < eROUNDS && !u.gr) {
        S t = s;
        auto &v = t.u[i];
        v.ph = 0;
        v.rnd++;
        v.exp = 0;
        v.prom = 0;
        emit(t, A("again", i));
      }
      continue;
    }
    bool have = (fLOCK && !eSPLIT) || u.gr;
    int gg = (fLOCK && !eSPLIT) ? g : (int)u.gr - 1;
    if ((!fLOCK || eSPLIT) && !u.gr) {
      S t = s;
      t.u[i].gr = g + 1;
      u8 m = 0;
      if (fLOCK)
        for (int p = 0; p < NP; p++)
          if (s.p[p].st == LIVE && s.p[p].tch == (u32)g) m |= 1 << p;
      (i ? t.m1 : t.m0) = m;
      emit(t, A("read-epoch", i) + "=" + to_string(g));
    }
    // begin
    if (u.ph == 0 && have) {
      S t = s;
      auto &v = t.u[i];
      v.ph = 1;
      v.gr = 0;
      (i ? t.m1 : t.m0) = 0;
      if (!stock[i]) {
        for (int p = 0; p < NP; p++)
          if (nmk >> p & 1) {
            u8 set = 0;
            if (walk(s, p, gg, set)) {
              for (int q = 0; q < NP; q++)
                if (set >> q & 1) touchPath(t, q, gg);
              v.prom |= 1 << p;
            } else if (eSTAMPALL && t.p[p].tch < (u32)gg) t.p[p].tch = gg;
          }
        for (int p = 0; p < NP; p++)
          if (v.prom >> p & 1) {
            int d = verdict(t, p, i);
            if (d != SAME) v.unv |= 1 << p;
            if (d == SUPERSEDE) v.sup |= 1 << p;
          }
        for (int p = 0; p < NP; p++)
          if ((nmk >> p & 1) && lacks(t, p, i)) { // existing bytes: an object, or an upload recorded for it
            int c = pc(p, i);
            for (int j = 0; j < 3; j++) {
              auto &k = t.k[c][j];
              if ((k.st == KLIVE || k.st == KCOND || k.st == KSTORED) && !k.bar && (!fUSEB || usableBy(k, pg[i]))) {
                touchKey(t, c, j, gg);
                k.hold |= 1 << i;
                break;
              }
            }
          }
      } else if (eSTOCKGET)
        for (int q = 0; q < NP; q++)
          if (isRef(s, pushRoot[i], q)) {
            u8 set = 0;
            if (walk(s, q, gg, set)) {
              for (int z = 0; z < NP; z++)
                if (set >> z & 1) touchPath(t, z, gg);
              v.prom |= 1 << q;
            }
          }
      emit(t, A("begin", i));
    }
    if (u.ph == 1) {
      // a wait: what has come meanwhile
      if (eWAIT && have && !stock[i])
        for (int p = 0; p < NP; p++)
          if (nmk >> p & 1) {
            if (!(u.prom >> p & 1)) {
              u8 set = 0;
              if (walk(s, p, gg, set)) {
                S t = s;
                auto &v = t.u[i];
                v.gr = 0;
                (i ? t.m1 : t.m0) = 0;
                for (int q = 0; q < NP; q++)
                  if (set >> q & 1) touchPath(t, q, gg);
                v.prom |= 1 << p;
                int d = verdict(t, p, i);
                if (d != SAME) v.unv |= 1 << p;
                if (d == SUPERSEDE) v.sup |= 1 << p;
                emit(t, A("wait", i) + " " + nm[p] + " present");
              }
            }
            if (lacks(s, p, i)) {
              int c = pc(p, i);
              bool held = false;
              for (int j = 0; j < 3; j++)
                if (s.k[c][j].hold >> i & 1) held = true;
              if (!held)
                for (int j = 0; j < 3; j++) {
                  auto &k = s.k[c][j];
                  if ((k.st == KLIVE || k.st == KCOND || k.st == KSTORED) && !k.bar && (!fUSEW || usableBy(k, pg[i]))) {
                    S t = s;
                    t.u[i].gr = 0;
                    (i ? t.m1 : t.m0) = 0;
                    touchKey(t, c, j, gg);
                    t.k[c][j].hold |= 1 << i;
                    emit(t, A("wait", i) + " NAR " + nm[c] + char('0' + j) + " stored");
                    break;
                  }
                }
            }
          }
      // upload of what is missing; a hostile push brings what it likes
      for (int p = 0; p < NP; p++)
        if (nmk >> p & 1) {
          int c = pc(p, i);
          if (!lacks(s, p, i)) continue;
          bool held = false;
          for (int j = 0; j < 3; j++)
            if ((s.k[c][j].hold >> i & 1) && usableBy(s.k[c][j], pg[i])) held = true;
          if (held) continue;
          bool first = true;
          for (int q = 0; q < p; q++)
            if ((nmk >> q & 1) && pc(q, i) == c && lacks(s, q, i)) first = false;
          if (!first) continue;
          int j = -1;
          auto &f = s.k[c][0];
          if (eFORMER && f.st == KNONE && !f.url && !f.it && !f.hold && (fFORMERSAFE ? !f.fl : true)) j = 0;
          else if (s.k[c][1 + i].st == KNONE && !s.k[c][1 + i].url) j = 1 + i;
          if (j < 0) continue;
          for (int bad = 0; bad <= (hostile[i] ? 1 : 0); bad++) {
            S t = s;
            auto &k = t.k[c][j];
            k.hold |= 1 << i;
            k.tch = 0;
            k.own = pg[i];
            k.ver = 0;
            k.bad = bad;
            k.kept = 0;
            k.bar = 0;
            if (eLATE) {
              k.st = KCLAIM;
              k.url = 1;
              emit(t, A("claim", i) + nm[c] + char('0' + j) + (bad ? " (wrong bytes)" : ""));
            } else {
              k.st = KSTORED;
              k.pres = 1;
              emit(t, A("upload+report", i) + nm[c] + char('0' + j) + (bad ? " (wrong bytes)" : ""));
            }
          }
        }
      if (eLATE)
        for (int c = 0; c < NC; c++)
          for (int j = 0; j < 3; j++) {
            auto &k = s.k[c][j];
            if (k.st == KCLAIM && (k.hold >> i & 1) && k.pres) {
              S t = s;
              t.k[c][j].st = KSTORED;
              emit(t, A("report", i) + nm[c] + char('0' + j));
            }
          }
      // commit, first half
      if (have && (fEXPCOMMIT || !u.exp)) {
        bool ok = true;
        u8 pubset = 0, sup = 0;
        S t = s;
        auto &v = t.u[i];
        bool anyP = false;
        if (!fPUBWAIT)
          for (int p = 0; p < NP; p++)
            if ((nmk >> p & 1) && s.p[p].st == PUBL) anyP = true;
        for (int p = 0; p < NP && ok; p++)
          if (nmk >> p & 1) {
            auto &x = t.p[p];
            if (x.st == LIVE || x.st == COND) {
              if (x.st == COND && !fCTOUCH) {
                ok = false;
                break;
              }
              if (fCTOUCH) {
                if (fNAMEDCHK && !stock[i]) {
                  u8 set = 0;
                  if (!walk(t, p, gg, set)) {
                    ok = false;
                    break;
                  }
                  for (int q = 0; q < NP; q++)
                    if (set >> q & 1) touchPath(t, q, gg);
                } else touchPath(t, p, gg);
              }
              bool told = (u.prom >> p & 1) && !(u.unv >> p & 1);
              int d = verdict(t, p, i);
              if (told) {
                if (fRECMP && d != SAME) {
                  ok = false;
                  break;
                }
              } else if (d == SAME) v.unv &= ~(1u << p);
              else {
                v.unv |= 1 << p;
                if (d == SUPERSEDE) {
                  int j = availKey(t, pc(p, i), i);
                  if (j < 0 || (fEVDECL && (x.bar >> vr(p, i) & 1))) {
                    ok = false;
                    break;
                  }
                  auto &k = t.k[pc(p, i)][j];
                  if (k.st == KCOND) revivedK(t, pc(p, i), j);
                  k.st = KLIVE;
                  if (k.tch < (u32)gg) k.tch = gg;
                  k.hold |= 1 << i;
                  if (fSWHOLD) v.hv |= 1 << (2 * p + x.rv);
                  if (fSWREF) sup |= 1 << p;
                  else {
                    if (fKEPT && !(pc(p, i) == ct(t, p) && j == (int)x.kj)) t.k[ct(t, p)][x.kj].kept = 1;
                    x.rv = vr(p, i);
                    x.kj = j;
                    x.rank = max<u32>(x.rank, prk[i]);
                    x.unw = 1;
                    if (x.it) {
                      x.gch = 1;
                      x.resp = 0;
                    }
                  }
                } else if (d == OTHER && ride[i]) {
                  ok = false;
                  break;
                }
              }
              if ((told ? fRAISE : (fRAISE && fRAISEDECL)) && d == SAME && x.rank < (u32)prk[i]) x.rank = prk[i];
            } else if (x.st == PUBL && !fPUBWAIT) {
            } else if (x.st == GONE) {
              if (fEVDECL && (x.bar >> vr(p, i) & 1)) {
                ok = false;
                break;
              }
              int c = pc(p, i);
              int j = availKey(t, c, i);
              if (j < 0) {
                ok = false;
                break;
              }
              auto &k = t.k[c][j];
              if (k.st == KCOND) revivedK(t, c, j);
              k.st = KLIVE;
              if (fADOPTSTAMP && k.tch < (u32)gg) k.tch = gg;
              x.st = PUBL;
              x.kj = j;
              x.pub = 0;
              x.rv = vr(p, i);
              x.rank = prk[i];
              v.unv &= ~(1u << p);
              if (x.tch < (u32)gg) x.tch = gg;
              pubset |= 1 << p;
            } else ok = false;
          }
        if (ok && stock[i]) {
          u8 set = 0;
          int T = pushRoot[i];
          if (t.p[T].st == PUBL) {
            for (int q = 0; q < NP && ok; q++)
              if (isRef(t, T, q)) ok = walk(t, q, gg, set);
          } else {
            u8 s2 = 0;
            ok = walk(s, T, gg, s2);
            set = s2;
          }
          if (ok)
            for (int q = 0; q < NP; q++)
              if (set >> q & 1) touchPath(t, q, gg);
        }
        if (ok) {
          v.gr = 0;
          (i ? t.m1 : t.m0) = 0;
          v.exp = 0;
          v.ph = 2;
          v.prom = 0;
          v.sup = sup;
          for (int p = 0; p < NP; p++)
            if ((nmk >> p & 1) && t.p[p].st == LIVE) v.prom |= 1 << p;
          if (!pubset && !anyP && !sup) {
            ended(t, i, nmk, gg);
            emit(t, A("commit-warm", i));
          } else emit(t, A("commit1", i));
        }
      }
      if (eEXP && !u.exp) {
        S t = s;
        t.u[i].exp = 1;
        emit(t, A("lease-expires", i));
      }
      if (u.exp) {
        S t = s;
        release(t, i, false);
        t.u[i].ph = 4;
        t.u[i].gr = 0;
        (i ? t.m1 : t.m0) = 0;
        emit(t, A("cleanup", i));
      }
      if (eRENEW && !fRENEWCHK && u.exp && have) {
        S t = s;
        t.u[i].exp = 0;
        t.u[i].gr = 0;
        emit(t, A("renew-blindly", i));
      }
      if (eRENEW && fRENEWCHK && u.exp && have) {
        bool ok = true;
        S t = s;
        for (int p = 0; p < NP; p++)
          if (u.prom >> p & 1) {
            u8 set = 0;
            if (!walk(s, p, gg, set)) ok = false;
            else
              for (int q = 0; q < NP; q++)
                if (set >> q & 1) touchPath(t, q, gg);
          }
        for (int c = 0; c < NC; c++)
          for (int j = 0; j < 3; j++)
            if (s.k[c][j].hold >> i & 1) {
              int st = s.k[c][j].st;
              if (st == KDEL || st == KTOMB || st == KNONE) ok = false;
              else touchKey(t, c, j, gg);
            }
        if (ok) {
          t.u[i].exp = 0;
          t.u[i].gr = 0;
          (i ? t.m1 : t.m0) = 0;
          emit(t, A("renew", i));
        }
      }
    }
    if (u.ph == 2) {
      if (u.gr) {
        S t = s;
        t.u[i].gr = 0;
        (i ? t.m1 : t.m0) = 0;
        emit(t, A("tries later", i));
      }
      if (!fNOEXP && !u.exp) {
        S t = s;
        t.u[i].exp = 1;
        emit(t, A("lease-expires", i));
      }
      bool ok = have;
      for (int p = 0; p < NP; p++)
        if (nmk >> p & 1) {
          auto &x = s.p[p];
          if (!(x.st == LIVE || x.st == COND || (x.st == PUBL && x.pub))) ok = false;
        }
      if (ok) {
        S t = s;
        auto &v = t.u[i];
        v.gr = 0;
        (i ? t.m1 : t.m0) = 0;
        // what meets a bar: the push ends withdrawn. Its rows become live, unstamped; no root counts, no pin moves, nothing is swapped
        u8 met = 0;
        for (int p = 0; p < NP; p++)
          if ((nmk >> p & 1) && s.p[p].st != PUBL) {
            u8 set = 0;
            if (!walk(s, p, gg, set)) met |= 1 << p;
          }
        for (int p = 0; p < NP; p++)
          if ((nmk >> p & 1) && s.p[p].st == PUBL) {
            if (barred(s, p) || (barSet(s) >> p & 1)) met |= 1 << p;
          }
        if (fEVDECL)
          for (int p = 0; p < NP; p++)
            if (((u.sup & ~u.swp) >> p & 1) && (s.p[p].bar >> vr(p, i) & 1)) met |= 1 << p;
        for (int p = 0; p < NP; p++)
          if ((u.sup & ~u.swp) >> p & 1) {
            bool any = false;
            for (int z = 0; z < 3; z++) {
              auto &k = s.k[pc(p, i)][z];
              if (k.st == KLIVE && (k.hold >> i & 1) && !k.bar) any = true;
            }
            if (!any) met |= 1 << p;
          }
        bool stop = false;
        if (met && !fEVROLL) stop = true;
        if (met && fEVROLL && !fEVSTAMP) {
          for (int p = 0; p < NP; p++)
            if ((nmk >> p & 1) && t.p[p].st == PUBL) {
              t.p[p].st = LIVE;
              t.p[p].pub = 0;
              t.p[p].wd = 0;
            }
          for (int p = 0; p < NP; p++)
            if ((nmk >> p & 1) && t.p[p].st == COND) stop = true;
          v.wdn = 1;
          v.sup &= v.swp;
          bool unw = false;
          for (int p = 0; p < NP; p++)
            if ((v.swp >> p & 1) && s.p[p].unw) unw = true;
          if (!unw) ended(t, i, nmk, gg);
          if (!stop && memcmp(&t, &s, sizeof(S))) emit(t, A("commit2", i) + " withdrawn");
          stop = true;
        }
        if (!stop) {
          for (int p = 0; p < NP; p++)
            if (nmk >> p & 1) {
              auto &x = t.p[p];
              if (x.st == PUBL) {
                x.st = LIVE;
                x.pub = 0;
                x.wd = 0;
                if (fCTOUCH) {
                  x.tch = gg;
                  touchKey(t, ct(t, p), x.kj, gg);
                }
              } else if (fCTOUCH) {
                if (met && fEVSTAMP) {
                  u8 c2 = rowClo(t, 1 << p);
                  for (int q = 0; q < NP; q++)
                    if (c2 >> q & 1) touchPath(t, q, gg);
                } else if (fNAMEDCHK) {
                  u8 set = 0;
                  walk(t, p, gg, set);
                  for (int q = 0; q < NP; q++)
                    if (set >> q & 1) touchPath(t, q, gg);
                } else touchPath(t, p, gg);
              }
            }
          if (stock[i] && fCTOUCH) {
            u8 set = 0;
            for (int q = 0; q < NP; q++)
              if (isRef(s, pushRoot[i], q)) walk(t, q, gg, set);
            for (int q = 0; q < NP; q++)
              if (set >> q & 1) touchPath(t, q, gg);
          }
          u8 todo = 0;
          for (int p = 0; p < NP; p++)
            if ((v.sup & ~v.swp) >> p & 1) {
              int d = verdict(t, p, i);
              if (d == SUPERSEDE) todo |= 1 << p;
              else {
                v.sup &= ~(1u << p);
                if (d == SAME) {
                  v.unv &= ~(1u << p);
                  if (fRAISE && fRAISEFIN && t.p[p].rank < (u32)prk[i]) t.p[p].rank = prk[i];
                } else if (d == OTHER && ride[i] && fFINCMP) v.nopin = 1;
              }
            }
          if (todo) {
            for (int p = 0; p < NP; p++)
              if (todo >> p & 1) {
                auto &x = t.p[p];
                int c = pc(p, i);
                int j = -1, bv = -1;
                for (int z = 0; z < 3; z++) {
                  auto &k = t.k[c][z];
                  if (k.st == KLIVE && (k.hold >> i & 1) && !k.bar && (int)k.ver * 2 + 1 > bv) {
                    bv = k.ver * 2 + 1;
                    j = z;
                  }
                }
                if (j < 0) continue;
                if (fSWHOLD == 2) v.hv |= 1 << (2 * p + x.rv);
                if (fKEPT && !(c == ct(t, p) && j == (int)x.kj)) t.k[ct(t, p)][x.kj].kept = 1;
                x.rv = vr(p, i);
                x.kj = j;
                x.rank = max<u32>(x.rank, prk[i]);
                x.unw = 1;
                if (fSWGEN) {
                  if (x.it) {
                    x.gch = 1;
                    x.resp = 0;
                  }
                }
                if (fSWSTAMP) touchKey(t, c, j, gg);
                v.swp |= 1 << p;
                v.unv &= ~(1u << p);
                t.k[c][j].kept = 0;
              }
            if (!fSWEND) ended(t, i, nmk, gg);
            emit(t, A("commit2", i) + " swaps");
          } else {
            bool unw = false;
            for (int p = 0; p < NP; p++)
              if ((v.swp >> p & 1) && t.p[p].unw) unw = true;
            if (!unw) {
              ended(t, i, nmk, gg);
              emit(t, A("commit2", i));
            } else if (memcmp(&t, &s, sizeof(S))) emit(t, A("commit2", i) + " touches, waits for the narinfo");
          }
        }
      }
    }
  }
  // ---- narinfo writes (any process; crash = the response is never recorded)
  for (int p = 0; p < NP; p++) {
    auto &x = s.p[p];
    if (((x.st == PUBL && !x.pub) || (x.st == LIVE && x.unw)) && !x.it) {
      bool ok = true;
      for (int q = 0; q < NP; q++)
        if (isRef(s, p, q) && s.p[q].st == PUBL && !s.p[q].pub && fPUBREF) ok = false;
      if (ok) {
        S t = s;
        auto &y = t.p[p];
        y.it = 1;
        y.flP = 1 + y.kj;
        y.flv = y.rv;
        y.resp = 0;
        y.fen = 0;
        y.gch = 0;
        emit(t, string("issue PUT narinfo ") + nm[p]);
      }
    }
    if (x.st == DELING && !x.it) {
      bool ok = true;
      if (fSORD)
        for (int r = 0; r < NP; r++)
          if (isRef(s, r, p) && s.p[r].st == DELING && (fWAVEDB || s.p[r].by == x.by)) ok = false;
      if (ok) {
        S t = s;
        auto &y = t.p[p];
        y.it = 2;
        y.flD = 1;
        y.resp = 0;
        y.fen = 0;
        emit(t, string("issue DEL narinfo ") + nm[p]);
      }
    }
    if (x.flP) {
      S t = s;
      auto &y = t.p[p];
      y.ni = x.flP;
      y.nrv = x.flv;
      if (x.it == 1 && !x.gch) y.resp = 1;
      y.flP = 0;
      y.flv = 0;
      emit(t, string("PUT lands ") + nm[p]);
      if (eDUP) {
        y.flP = x.flP;
        y.flv = x.flv;
        emit(t, string("PUT lands (another attempt still in flight) ") + nm[p]);
      }
    }
    if (x.flD) {
      S t = s;
      t.p[p].ni = 0;
      t.p[p].nrv = 0;
      if (x.it == 2) t.p[p].resp = 1;
      t.p[p].flD = 0;
      emit(t, string("DEL lands ") + nm[p]);
      if (eDUP) {
        t.p[p].flD = 1;
        emit(t, string("DEL lands (another attempt still in flight) ") + nm[p]);
      }
    }
    if (x.zP) {
      S t = s;
      auto &y = t.p[p];
      y.ni = x.zP;
      y.nrv = x.zv;
      y.zP = 0;
      y.zv = 0;
      emit(t, string("late PUT lands after fence ") + nm[p]);
    }
    if (x.zD) {
      S t = s;
      t.p[p].ni = 0;
      t.p[p].nrv = 0;
      t.p[p].zD = 0;
      emit(t, string("late DEL lands after fence ") + nm[p]);
    }
    if (x.it && x.resp && !x.gch && (!fKEEPF || (!x.flP && !x.flD))) {
      S t = s;
      auto &y = t.p[p];
      if (x.it == 1 && x.st == PUBL) y.pub = 1;
      if (x.it == 1 && x.st == LIVE) y.unw = 0;
      if (x.it == 2 && x.st == DELING) {
        y.st = GONE;
        y.rv = 0;
        y.nrv = 0;
        y.by = 0;
        y.kj = 0;
        y.unw = 0;
        y.rank = 0;
        if (x.ni) { /* an orphan, see checkEnd */
          y.nrv = x.nrv;
        }
      }
      y.it = 0;
      y.resp = 0;
      y.fen = 0;
      emit(t, string(x.it == 1 ? "record PUT " : "record DEL, gone ") + nm[p]);
    }
    if ((x.it && !x.fen) || ((x.flP || x.flD) && !x.it)) {
      S t = s;
      auto &y = t.p[p];
      if (x.it) y.fen = 1;
      if (!fFENCE) {
        if (x.flP) {
          y.zP = x.flP;
          y.zv = x.flv;
        }
        if (x.flD) y.zD = 1;
      }
      y.flP = 0;
      y.flv = 0;
      y.flD = 0;
      emit(t, string("fence elapses ") + nm[p]);
    }
    if (x.it && x.fen && !x.resp && !x.flP && !x.flD) {
      S t = s;
      auto &y = t.p[p];
      y.fen = 0;
      y.gch = 0;
      if (x.st == DELING) {
        y.it = 2;
        y.flD = 1;
      } else if (x.st == PUBL || (x.st == LIVE && x.unw)) {
        y.it = 1;
        y.flP = 1 + y.kj;
        y.flv = y.rv;
      } else {
        y.it = 0;
      }
      emit(t, string("takeover re-issues ") + (y.it == 1 ? "PUT " : y.it == 2 ? "DEL " : "nothing ") + nm[p]);
    }
  }
  // ---- servers read bytes; 30 days pass
  if (eVER)
    for (int c = 0; c < NC; c++)
      for (int j = 0; j < 3; j++) {
        auto &k = s.k[c][j];
        if (k.pres && !k.ver && !k.bad && (k.st == KSTORED || k.st == KLIVE || k.st == KCOND)) {
          S t = s;
          t.k[c][j].ver = 1;
          emit(t, string("a server reads NAR ") + nm[c] + char('0' + j));
        }
      }
  for (int c = 0; c < NC; c++)
    for (int j = 0; j < 3; j++)
      if (s.k[c][j].kept) {
        bool wait = false;
        if (fKEPTREC)
          for (int p = 0; p < NP; p++)
            if (s.p[p].unw) wait = true;
        if (!wait) {
          S t = s;
          t.k[c][j].kept = 0;
          emit(t, string("30 days pass for NAR ") + nm[c] + char('0' + j));
        }
      }
  // ---- withdrawal
  if (eEV) {
    bool split = false;
    if (fEVBARRIER && fLOCK && eSPLIT)
      for (int i = 0; i < NPUSH; i++)
        if (s.u[i].gr) split = true;
    if (fEVBARRIER && fLOCK && eSPLIT && s.pgr) split = true;
    if (s.wph == 0 && inPlay(s, evP) && (eEVPUB || s.p[evP].st != PUBL) && !split && (!fEVBARRIER || g < 6)) {
      S t = s;
      auto &x = t.p[evP];
      int bc = eEVV >= 0 ? contV[eEVV][evP] : ct(s, evP);
      for (int v = 0; v < 2; v++)
        if (contV[v][evP] == bc) x.bar |= 1 << v;
      if (bc == ct(s, evP)) t.k[bc][x.kj].bar = 1;
      t.wph = 1;
      t.wg = g;
      if (fEVBARRIER) t.ep = g + 1;
      emit(t, string("bar ") + nm[evP] + (fEVBARRIER ? ", epoch " + to_string(g + 1) : ""));
    }
    u8 b = barSet(s);
    if (s.wph == 1) {
      bool ok = true;
      if (fEVWAIT == 1 || fEVWAIT == 3)
        for (int i = 0; i < NPUSH; i++)
          if (s.u[i].ph == 2 && ((named(i) | (fEVWAIT == 1 ? oldRefs(s, i) : 0)) & b)) ok = false;
      if (fEVWAIT >= 1)
        for (int p = 0; p < NP; p++)
          if ((b >> p & 1) && s.p[p].st == PUBL) ok = false;
      if (ok) {
        S t = s;
        u8 set = fEVREF ? b : 0;
        if (!fEVREF)
          for (int p = 0; p < NP; p++)
            if (barred(s, p)) set |= 1 << p;
        for (int p = 0; p < NP; p++)
          if (s.p[p].st != LIVE && s.p[p].st != COND) set &= ~(1 << p);
        t.wu = set;
        t.wph = 2;
        if (!fEVBARRIER) { // the first design: all of it in one transaction, without the touched guard
          for (int p = 0; p < NP; p++)
            if (set >> p & 1) {
              auto &x = t.p[p];
              x.st = COND;
              x.wd = 1;
              x.bar |= 1 << x.rv;
            }
          t.wph = 3;
        }
        emit(t, !fEVBARRIER ? "withdrawal condemns all" : "withdrawal looks for referrers");
      }
    }
    if (s.wph == 2) {
      u8 live = 0;
      for (int p = 0; p < NP; p++)
        if ((s.wu >> p & 1) && (s.p[p].st == LIVE || (s.p[p].st == COND && !s.p[p].wd))) live |= 1 << p;
      if (!live) {
        S t = s;
        t.wph = 3;
        emit(t, "withdrawal reads what it condemned");
      } else {
        int p = -1;
        for (int q = 0; q < NP; q++)
          if (live >> q & 1) {
            bool top = true;
            for (int r = 0; r < NP; r++)
              if ((live >> r & 1) && (fEVORD ? isRef(s, r, q) : isRef(s, q, r))) top = false;
            if (top && p < 0) p = q;
          }
        S t = s;
        auto &x = t.p[p];
        if (x.tch <= s.wg) {
          x.st = COND;
          x.wd = 1;
          t.pset &= ~(1u << p);
          emit(t, string("withdrawal condemns ") + nm[p]);
        } else {
          t.wph = 1;
          t.wu = 0;
          emit(t, string("withdrawal: ") + nm[p] + " was touched, looks anew");
        }
      }
    }
    if (s.wph == 3) {
      u8 c = 0;
      for (int p = 0; p < NP; p++)
        if ((s.wu >> p & 1) && s.p[p].st == COND) c |= 1 << p;
      if (!c) {
        S t = s;
        bool again = false;
        if (b)
          for (int p = 0; p < NP; p++)
            if ((b >> p & 1) && inPlay(s, p)) again = true;
        t.wph = again ? 1 : 4;
        t.wu = 0;
        emit(t, again ? "withdrawal looks anew" : "withdrawal done");
      } else {
        int p = -1;
        for (int q = 0; q < NP; q++)
          if (c >> q & 1) {
            bool top = true;
            for (int r = 0; r < NP; r++)
              if ((c >> r & 1) && (fEVORD ? isRef(s, r, q) : isRef(s, q, r))) top = false;
            if (top && p < 0) p = q;
          }
        S t = s;
        auto &x = t.p[p];
        if (!fEVBARRIER || x.tch <= s.wg) {
          x.st = DELING;
          emit(t, string("withdrawal: deleting ") + nm[p]);
        } else {
          t.wu &= ~(1u << p);
          emit(t, string("withdrawal skips ") + nm[p]);
        }
      }
    }
    if (eLIFT && s.wph >= 1 && !s.wlift) {
      S t = s;
      for (int p = 0; p < NP; p++) t.p[p].bar = 0;
      for (int c = 0; c < NC; c++)
        for (int j = 0; j < 3; j++) t.k[c][j].bar = 0;
      t.wlift = 1;
      if (t.wph < 4) {
        t.wph = 4;
        t.wu = 0;
      }
      emit(t, "lift");
    }
  }
  // ---- NAR keys
  for (int c = 0; c < NC; c++)
    for (int j = 0; j < 3; j++) {
      auto &k = s.k[c][j];
      string kn = string(1, nm[c]) + char('0' + j);
      if (eLATE) {
        if (k.url && !k.pres) {
          S t = s;
          t.k[c][j].pres = 1;
          emit(t, "client PUT lands NAR " + kn);
        }
        if (k.url && k.st != KCLAIM) {
          S t = s;
          t.k[c][j].url = 0;
          emit(t, "URL expires " + kn);
        }
        if (k.url && k.st == KCLAIM && !k.hold) {
          S t = s;
          t.k[c][j].url = 0;
          emit(t, "URL expires " + kn);
        }
        if ((k.st == KDEL || (k.st == KTOMB && !k.url)) && !k.it) {
          S t = s;
          auto &y = t.k[c][j];
          y.it = 1;
          y.fl = 1;
          y.resp = 0;
          y.fen = 0;
          emit(t, "issue DEL NAR " + kn);
        }
        if (k.redel && !k.url && !k.fl) {
          S t = s;
          auto &y = t.k[c][j];
          y.redel = 0;
          y.fl = 1;
          emit(t, "second DEL NAR issued " + kn);
        }
        if (k.fl) {
          S t = s;
          auto &y = t.k[c][j];
          y.pres = 0;
          y.fl = 0;
          if (y.it) y.resp = 1;
          emit(t, "DEL lands NAR " + kn);
        }
        if (k.it && k.resp) {
          S t = s;
          auto &y = t.k[c][j];
          y.it = 0;
          y.resp = 0;
          y.fen = 0;
          if (k.st == KDEL) {
            if (!fREDEL) y.st = KNONE;
            else if (fFORMERSAFE) y.st = KTOMB;
            else {
              y.st = KNONE;
              if (k.url || true) y.redel = 1;
            }
          } else if (k.st == KTOMB) y.st = KNONE;
          y.hold = 0;
          if (y.st == KNONE) {
            y.own = 0;
            y.ver = 0;
            y.bad = 0;
            y.bar = 0;
          }
          y.kept = 0;
          emit(t, "record DEL NAR " + kn);
        }
        if ((k.it && !k.fen && !k.resp)) {
          S t = s;
          auto &y = t.k[c][j];
          y.fen = 1;
          y.fl = 0;
          emit(t, "fence elapses NAR " + kn);
        }
        if (k.fl && !k.it) {
          S t = s;
          t.k[c][j].fl = 0;
          emit(t, "fence elapses NAR " + kn);
        }
        if (k.it && k.fen) {
          S t = s;
          auto &y = t.k[c][j];
          y.fl = 1;
          y.fen = 0;
          emit(t, "re-issue DEL NAR " + kn);
        }
      } else if (k.st == KDEL) {
        S t = s;
        auto &y = t.k[c][j];
        y.st = KNONE;
        y.pres = 0;
        y.hold = 0;
        y.own = 0;
        y.ver = 0;
        y.bad = 0;
        y.bar = 0;
        y.kept = 0;
        y.tch = 0;
        emit(t, "NAR deleted " + kn);
      }
    }
  // ---- pin
  if (ePIN && !s.pin && (int)s.pinc < PINS) {
    if ((!fLOCK || eSPLIT) && !s.pgr) {
      S t = s;
      t.pgr = g + 1;
      u8 m = 0;
      if (fLOCK)
        for (int p = 0; p < NP; p++)
          if (s.p[p].st == LIVE && s.p[p].tch == (u32)g) m |= 1 << p;
      t.mp = m;
      emit(t, "read-epoch(pin)=" + to_string(g));
    }
    if ((fLOCK && !eSPLIT) || s.pgr) {
      int gg = (fLOCK && !eSPLIT) ? g : (int)s.pgr - 1;
      u8 set = 0;
      bool ok;
      if (fPINCLO) ok = walk(s, pinPath, gg, set);
      else {
        ok = s.p[pinPath].st == LIVE || s.p[pinPath].st == COND;
        set = 1 << pinPath;
      }
      S t = s;
      t.pgr = 0;
      t.mp = 0;
      u8 cl = rowClo(s, 1 << pinPath);
      if (ok && fUSEP)
        for (int p = 0; p < NP; p++)
          if ((cl >> p & 1) && !usableBy(s.k[ct(s, p)][s.p[p].kj], pinG)) ok = false;
      if (ok) {
        for (int p = 0; p < NP; p++)
          if (set >> p & 1) touchPath(t, p, gg);
        if (fRAISE)
          for (int p = 0; p < NP; p++)
            if ((cl >> p & 1) && t.p[p].rank < (u32)pinR) t.p[p].rank = pinR;
        setPin(t, pinR, 0);
        t.pinc++;
        emit(t, "pin");
      } else if (s.pgr) emit(t, "pin refused");
    }
  }
  if (s.pin) {
    S t = s;
    noPin(t);
    emit(t, "unpin");
  }
  if (eRET)
    for (int p = 0; p < NP; p++)
      if (s.root >> p & 1) {
        S t = s;
        t.root &= ~(1 << p);
        emit(t, string("retention ends ") + nm[p]);
      }
  // ---- GC
  for (int k = 0; k < NGC; k++) {
    auto &G = s.g[k];
    string gn = string("gc") + char('1' + k) + ": ";
    if (G.ph == 0) {
      bool can = (k == 0) || (s.g[k - 1].ph != 0 && (eOVER || s.g[k - 1].ph == 5));
      if (g >= 6) can = false;
      if (fLOCK && eSPLIT)
        for (int i = 0; i < NPUSH; i++)
          if (s.u[i].gr) can = false;
      if (fLOCK && eSPLIT && s.pgr) can = false;
      if (can) {
        S t = s;
        auto &H = t.g[k];
        H.ph = 1;
        H.gr = eNEWG ? g + 1 : g;
        t.ep = g + 1;
        t.owner = k + 1;
        emit(t, gn + "barrier, epoch " + to_string(g + 1));
      }
      bool canr = k > 0 && s.g[k - 1].ph != 0 && (eOVER || s.g[k - 1].ph == 5);
      if (canr && eRESUME) {
        S t = s;
        auto &H = t.g[k];
        H.ph = 1;
        H.gr = g - 1;
        t.owner = k + 1;
        emit(t, gn + "takes the run over (no new barrier)");
        S r = s;
        r.g[k].ph = 2;
        r.g[k].gr = g - 1;
        r.owner = k + 1;
        emit(r, gn + "takes the run over in its sweep");
      }
      continue;
    }
    if (G.ph == 5) continue;
    if (!ownerOK(s, k)) {
      S t = s;
      memset((void *)&t.g[k], 0, sizeof(Gc));
      t.g[k].ph = 5;
      emit(t, gn + "finds it lost the run, stops");
      continue;
    }
    if (eCRASH) {
      S t = s;
      memset((void *)&t.g[k], 0, sizeof(Gc));
      t.g[k].ph = 5;
      emit(t, gn + "crashes/cancelled");
    }
    if (G.ph == 1) {
      S t = s;
      auto &H = t.g[k];
      u8 rt = 0;
      if (s.pin) rt |= 1 << pinPath;
      rt |= s.root;
      for (int i = 0; i < NPUSH; i++) {
        auto &u = s.u[i];
        if ((u.ph == 1 || u.ph == 2) && !u.exp) {
          if (u.ph == 2) rt |= named(i);
          if (fSTOCKLEASE || !stock[i]) rt |= u.prom;
          rt |= oldRefs(s, i);
        }
      }
      if (fPUBROOT)
        for (int p = 0; p < NP; p++)
          if (s.p[p].st == PUBL) rt |= 1 << p;
      u8 re = rt;
      for (int p = NP - 1; p >= 0; p--)
        if (re >> p & 1) {}
      bool ch = true;
      while (ch) {
        ch = false;
        for (int p = 0; p < NP; p++)
          if ((re >> p & 1) && (s.p[p].st == LIVE || s.p[p].st == PUBL || s.p[p].st == COND))
            for (int q = 0; q < NP; q++)
              if (isRef(s, p, q) && !(re >> q & 1)) {
                re |= 1 << q;
                ch = true;
              }
      }
      u16 rk = 0;
      for (int p = 0; p < NP; p++)
        if ((re >> p & 1) && (s.p[p].st == LIVE || s.p[p].st == PUBL || s.p[p].st == COND)) rk |= 1 << (ct(s, p) * 3 + s.p[p].kj);
      if (fHOLDROOT)
        for (int c = 0; c < NC; c++)
          for (int j = 0; j < 3; j++)
            if (s.k[c][j].hold) rk |= 1 << (c * 3 + j);
      for (int c = 0; c < NC; c++)
        for (int j = 0; j < 3; j++)
          if (s.k[c][j].kept) rk |= 1 << (c * 3 + j);
      H.up = 0;
      H.uk = 0;
      for (int p = 0; p < NP; p++)
        if ((s.p[p].st == LIVE || eUALL) && !(re >> p & 1)) H.up |= 1 << p;
      for (int c = 0; c < NC; c++)
        for (int j = 0; j < 3; j++)
          if ((s.k[c][j].st == KLIVE || eUALL) && !(rk >> (c * 3 + j) & 1)) H.uk |= 1 << (c * 3 + j);
      H.ph = 2;
      emit(t, gn + "snapshot+mark");
    }
    if (G.ph == 2) {
      if (G.up) {
        int p;
        if (fCORD) {
          p = -1;
          for (int q = 0; q < NP; q++)
            if (G.up >> q & 1) {
              bool top = true;
              for (int r = 0; r < NP; r++)
                if ((G.up >> r & 1) && isRef(s, r, q)) top = false;
              if (top && p < 0) p = q;
            }
        } else {
          p = -1;
          for (int q = 0; q < NP; q++)
            if (G.up >> q & 1) {
              bool bot = true;
              for (int r = 0; r < NP; r++)
                if ((G.up >> r & 1) && isRef(s, q, r)) bot = false;
              if (bot && p < 0) p = q;
            }
        }
        S t = s;
        auto &H = t.g[k];
        H.up &= ~(1u << p);
        auto &x = t.p[p];
        if (x.st == LIVE && (!fGUARD || x.tch <= G.gr)) {
          x.st = COND;
          emit(t, gn + "condemn " + nm[p]);
        } else {
          bool refused = x.st == LIVE || x.st == PUBL;
          if (refused && fREFUSED) {
            u8 cl = 1 << p;
            for (int z = 0; z < NP; z++)
              for (int a = 0; a < NP; a++)
                if (cl >> a & 1)
                  for (int b = 0; b < NP; b++)
                    if (isRef(s, a, b)) cl |= 1 << b;
            for (int q = 0; q < NP; q++)
              if (cl >> q & 1) {
                H.up &= ~(1u << q);
                H.uk &= ~(1u << (ct(s, q) * 3 + s.p[q].kj));
              }
          }
          emit(t, gn + "condemn " + nm[p] + " refused");
        }
      } else if (G.uk) {
        int b = __builtin_ctz(G.uk);
        int c = b / 3, j = b % 3;
        S t = s;
        auto &H = t.g[k];
        H.uk &= ~(1u << b);
        auto &x = t.k[c][j];
        if (x.st == KLIVE && (!fGUARD || x.tch <= G.gr)) {
          x.st = KCOND;
          emit(t, gn + "condemn NAR " + nm[c] + char('0' + j));
        } else emit(t, gn + "condemn NAR refused");
      } else {
        u8 cp = 0;
        u16 ck = 0;
        for (int p = 0; p < NP; p++)
          if (s.p[p].st == COND) cp |= 1 << p;
        for (int c = 0; c < NC; c++)
          for (int j = 0; j < 3; j++)
            if (s.k[c][j].st == KCOND) ck |= 1 << (c * 3 + j);
        for (int sub = cp;; sub = (sub - 1) & cp) {
          bool ok = true;
          if (fGCLO)
            for (int p = 0; p < NP; p++)
              if (sub >> p & 1)
                for (int r = 0; r < NP; r++)
                  if ((cp >> r & 1) && !(sub >> r & 1) && isRef(s, r, p)) ok = false;
          u16 kk = ck;
          if (fGCLO)
            for (int p = 0; p < NP; p++)
              if ((cp >> p & 1) && !(sub >> p & 1)) kk &= ~(1u << (ct(s, p) * 3 + s.p[p].kj));
          if (ok) {
            S t = s;
            auto &H = t.g[k];
            H.ph = 3;
            H.up = sub;
            H.uk = kk;
            emit(t, gn + "reads what is condemned" + (sub != cp ? " (grace leaves some out)" : ""));
          }
          if (!eGRACE || !sub) break;
        }
      }
    }

    if (G.ph == 3) {
      if (G.up) {
        int p = -1;
        if (fSORD) {
          for (int q = 0; q < NP; q++)
            if (G.up >> q & 1) {
              bool top = true;
              for (int r = 0; r < NP; r++)
                if ((G.up >> r & 1) && isRef(s, r, q)) top = false;
              if (top && p < 0) p = q;
            }
        } else
          for (int q = 0; q < NP; q++)
            if (G.up >> q & 1) {
              bool bot = true;
              for (int r = 0; r < NP; r++)
                if ((G.up >> r & 1) && isRef(s, q, r)) bot = false;
              if (bot && p < 0) p = q;
            }
        S t = s;
        t.g[k].up &= ~(1u << p);
        bool refd = false;
        if (fSWEEPREF)
          for (int r = 0; r < NP; r++)
            if (isRef(s, r, p) && (s.p[r].st == LIVE || s.p[r].st == COND || s.p[r].st == PUBL)) refd = true;
        if (s.p[p].st == COND && !refd && (!fSTOUCH || s.p[p].tch <= G.gr)) {
          t.p[p].st = DELING;
          if (!fWAVEDB) t.p[p].by = k + 1;
          emit(t, gn + "deleting " + nm[p]);
        } else emit(t, gn + "sweep skips " + nm[p]);
      } else {
        bool wait = false;
        for (int p = 0; p < NP; p++)
          if (s.p[p].st == DELING) wait = true;
        if (G.uk) {
          int b = __builtin_ctz(G.uk);
          int c = b / 3, j = b % 3;
          bool w = false;
          for (int p = 0; p < NP; p++)
            if (fKWAVE && s.p[p].st == DELING && ct(s, p) == c && s.p[p].kj == (u32)j) w = true;
          if (!w || !fSORD) {
            S t = s;
            t.g[k].uk &= ~(1u << b);
            if (s.k[c][j].st == KCOND && (!fSTOUCH || s.k[c][j].tch <= G.gr)) {
              t.k[c][j].st = KDEL;
              emit(t, gn + "deleting NAR " + nm[c] + char('0' + j));
            } else emit(t, gn + "sweep skips NAR");
          }
        } else if (!wait || true) {
          S t = s;
          memset((void *)&t.g[k], 0, sizeof(Gc));
          t.g[k].ph = 5;
          emit(t, gn + "done");
        }
      }
    }
  }
}
static u64 hashS(const S &s) {
  const u64 *w = (const u64 *)&s;
  u64 h = 0x9E3779B97F4A7C15ull;
  for (size_t i = 0; i < sizeof(S) / 8; i++) {
    h ^= w[i];
    h *= 0xff51afd7ed558ccdull;
    h ^= h >> 32;
  }
  if (sizeof(S) % 8) {
    u32 tail;
    memcpy(&tail, (const char *)&s + sizeof(S) / 8 * 8, 4);
    h ^= tail;
    h *= 0xc4ceb9fe1a85ec53ull;
    h ^= h >> 29;
  }
  return h;
}
int main(int argc, char **argv) {
  for (Def *d = defs; d->n; d++) *d->v = d->d;
  string uni = "RQ";
  bool quiet = false, stats = false;
  map<string, u64> seen;
  for (int a = 1; a < argc; a++) {
    string x = argv[a];
    auto e = x.find('=');
    if (x == "-q") {
      quiet = true;
      continue;
    }
    if (x == "stats") {
      stats = true;
      continue;
    }
    if (e == string::npos) {
      fprintf(stderr, "? %s\n", argv[a]);
      return 2;
    }
    string n = x.substr(0, e), v = x.substr(e + 1);
    if (n == "uni") {
      uni = v;
      continue;
    }
    if (n == "max") {
      maxStates = stoull(v);
      continue;
    }
    if (n == "seconds") {
      maxSeconds = stoull(v);
      continue;
    }
    bool ok = false;
    for (Def *d = defs; d->n; d++)
      if (n == d->n) {
        *d->v = stoi(v);
        ok = true;
      }
    if (!ok) {
      fprintf(stderr, "? %s\n", argv[a]);
      return 2;
    }
  }
  memset(refs, 0, sizeof refs);
  u8 noRefsV = 0;
  int contV1[4] = {-1, -1, -1, -1};
  if (uni == "RQ") {
    NP = 2;
    refs[1] = 1;
    pushRoot[0] = 1;
    pushRoot[1] = 1;
    pinPath = 1;
    initLive = 3;
    initRoot = 2;
  } else if (uni == "RQT") {
    NP = 3;
    refs[1] = 1;
    refs[2] = 1;
    pushRoot[0] = 1;
    pushRoot[1] = 2;
    pinPath = 1;
    initLive = 3;
    initRoot = 2;
  } else if (uni == "RQTshare") {
    NP = 3;
    refs[1] = 1;
    refs[2] = 0;
    pushRoot[0] = 1;
    pushRoot[1] = 2;
    pinPath = 1;
    initLive = 3;
    initRoot = 2;
    cont[2] = 0;
  } else if (uni == "QTshare") {
    NP = 2;
    refs[0] = refs[1] = 0;
    nm[0] = 'Q';
    nm[1] = 'T';
    pushRoot[0] = 0;
    pushRoot[1] = 1;
    pinPath = 0;
    initLive = 1;
    initRoot = 1;
    cont[1] = 0;
  } else if (uni == "RQS") {
    NP = 3;
    nm[0] = 'S';
    nm[1] = 'Q';
    nm[2] = 'R';
    refs[1] = 1;
    refs[2] = 2;
    pushRoot[0] = 2;
    pushRoot[1] = 1;
    pinPath = 2;
    initLive = 7;
    initRoot = 4;
  } else if (uni == "RQTstock") {
    NP = 3;
    refs[1] = 1;
    refs[2] = 1;
    pushRoot[0] = 1;
    pushRoot[1] = 2;
    stock[1] = true;
    pinPath = 1;
    initLive = 3;
    initRoot = 2;
  } else if (uni == "RQSTstock") {
    NP = 4;
    nm[0] = 'S';
    nm[1] = 'Q';
    nm[2] = 'R';
    nm[3] = 'T';
    refs[1] = 1;
    refs[2] = 2;
    refs[3] = 2;
    pushRoot[0] = 2;
    pushRoot[1] = 3;
    stock[1] = true;
    pinPath = 2;
    initLive = 7;
    initRoot = 4;
  }
  // one path that nobody has; A, and M of another group, who brings wrong bytes
  else if (uni == "Mone") {
    NP = 1;
    pushRoot[0] = 0;
    pushRoot[1] = 0;
    pinPath = 0;
    initLive = 0;
    initRoot = 0;
    hostile[1] = true;
    pg[1] = 1;
  }
  // R live on the word of M, without references and with wrong bytes; A declares R->Q with rank 1 and brings a pin; M pushes its R again.
  // SUPeq: two honest ones; SUPver: the same declaration
  else if (uni == "SUP" || uni == "SUPeq" || uni == "SUPver") {
    NP = 2;
    refs[1] = 1;
    refsV[1] = 0;
    noRefsV = 2;
    pushRoot[0] = pushRoot[1] = 1;
    variant[1] = true;
    pinPath = 1;
    initLive = 3;
    initRoot = 2;
    initVar = 2;
    initOwn = 2;
    initBad = 2;
    hostile[1] = true;
    pg[1] = 1;
    prk[0] = 1;
    ride[0] = true;
    pinG = 0;
    if (uni == "SUPeq") {
      hostile[1] = false;
      pg[1] = 0;
      prk[1] = 1;
      ride[1] = true;
    }
    if (uni == "SUPver") {
      prk[0] = 0;
      variant[0] = true;
      ride[0] = false;
    }
  }
  // R->Q live by rank 0; A (rank 1) declares R->T, another NAR; B (rank 1) declares R->Q as it is, and brings a pin, too.
  // SWAP2: B has rank 2, and R's NAR is another group's, so that both supersede; SWAPread: A declares it as it is, but the NAR is another
  // group's; SWAPT: T is new
  else if (uni == "SWAP" || uni == "SWAPhi" || uni == "SWAPlo" || uni == "SWAPnew" || uni == "SWAP2" || uni == "SWAPread" ||
           uni == "SWAPT") {
    NP = 3;
    nm[0] = 'Q';
    nm[1] = 'T';
    nm[2] = 'R';
    refs[2] = 1;
    refsV[2] = 2;
    contV1[2] = 3;
    pushRoot[0] = 2;
    pushRoot[1] = 2;
    variant[0] = true;
    pinPath = 2;
    initLive = 7;
    initRoot = 4;
    prk[0] = 1;
    ride[0] = true;
    prk[1] = 1;
    ride[1] = true;
    if (uni == "SWAPhi") { prk[0] = 2; }
    if (uni == "SWAPlo") {
      prk[1] = 0;
      ride[1] = false;
    }
    if (uni == "SWAPnew") {
      initLive = 1;
      initRoot = 1;
    }
    if (uni == "SWAPT") { initLive = 5; }
    if (uni == "SWAP2") {
      initOwn = 4;
      prk[1] = 2;
    }
    if (uni == "SWAPread") {
      initOwn = 4;
      variant[0] = false;
      variant[1] = true;
    }
  }
  // R->P->Q, P by rank 0; A declares P->T below the same R
  else if (uni == "MID") {
    NP = 4;
    nm[0] = 'Q';
    nm[1] = 'T';
    nm[2] = 'P';
    nm[3] = 'R';
    refs[3] = 4;
    refs[2] = 1;
    refsV[3] = 4;
    refsV[2] = 2;
    pushRoot[0] = 3;
    pushRoot[1] = 3;
    variant[0] = true;
    pinPath = 3;
    initLive = 15;
    initRoot = 8;
    prk[0] = 1;
    ride[0] = true;
  }
  // withdrawals of evP
  else if (uni == "EV") {
    NP = 2;
    refs[1] = 1;
    pushRoot[0] = pushRoot[1] = 1;
    pinPath = 1;
    initLive = 3;
    initRoot = 2;
    evP = 0;
  } else if (uni == "EVT") {
    NP = 3;
    refs[1] = 1;
    refs[2] = 1;
    pushRoot[0] = 1;
    pushRoot[1] = 2;
    pinPath = 1;
    initLive = 3;
    initRoot = 2;
    evP = 0;
  } else if (uni == "EVnew") {
    NP = 2;
    refs[1] = 1;
    pushRoot[0] = pushRoot[1] = 1;
    pinPath = 1;
    initLive = 1;
    initRoot = 1;
    evP = 0;
  } else if (uni == "EVS") {
    NP = 3;
    nm[0] = 'S';
    nm[1] = 'Q';
    nm[2] = 'R';
    refs[1] = 1;
    refs[2] = 2;
    pushRoot[0] = 2;
    pushRoot[1] = 1;
    pinPath = 2;
    initLive = 7;
    initRoot = 4;
    evP = 0;
  } else if (uni == "EVtop") {
    NP = 2;
    refs[1] = 1;
    pushRoot[0] = pushRoot[1] = 1;
    pinPath = 1;
    initLive = 3;
    initRoot = 2;
    evP = 1;
  } else if (uni == "EVswap" || uni == "EVswapQ") {
    NP = 3;
    nm[0] = 'Q';
    nm[1] = 'T';
    nm[2] = 'R';
    refs[2] = 1;
    refsV[2] = 2;
    contV1[2] = 3;
    pushRoot[0] = 2;
    pushRoot[1] = 2;
    variant[0] = true;
    pinPath = 2;
    initLive = 7;
    initRoot = 4;
    prk[0] = 1;
    ride[0] = true;
    prk[1] = uni == "EVswap" ? 2 : 0;
    evP = uni == "EVswap" ? 2 : 0;
  } else if (uni == "EVshare" || uni == "EVshare2") {
    NP = 2;
    nm[0] = 'Q';
    nm[1] = 'T';
    pushRoot[0] = 1;
    pushRoot[1] = 0;
    pinPath = 1;
    initLive = uni == "EVshare" ? 1 : 3;
    initRoot = 1;
    cont[1] = 0;
    evP = 0;
  } // two paths with one NAR
  else if (uni == "EVstock") {
    NP = 3;
    refs[1] = 1;
    refs[2] = 1;
    pushRoot[0] = 1;
    pushRoot[1] = 2;
    stock[1] = true;
    pinPath = 1;
    initLive = 3;
    initRoot = 2;
    evP = 0;
  } else if (uni == "one") {
    NP = 1;
    pushRoot[0] = 0;
    pushRoot[1] = 0;
    pinPath = 0;
    initLive = 1;
    initRoot = 1;
  } else if (uni == "RQnew") {
    NP = 2;
    refs[1] = 1;
    pushRoot[0] = 1;
    pushRoot[1] = 1;
    pinPath = 1;
    initLive = 0;
    initRoot = 0;
  } else if (uni == "RQTnew") {
    NP = 3;
    refs[1] = 1;
    refs[2] = 1;
    pushRoot[0] = 1;
    pushRoot[1] = 2;
    pinPath = 1;
    initLive = 0;
    initRoot = 0;
  } else if (uni == "VAR") {
    NP = 3;
    nm[0] = 'Q';
    nm[1] = 'T';
    nm[2] = 'R';
    refs[2] = 1;
    refsV[2] = 2;
    pushRoot[0] = 2;
    pushRoot[1] = 2;
    variant[1] = true;
    pinPath = 2;
    initLive = 7;
    initRoot = 4;
    initVar = 4;
  } else {
    fprintf(stderr, "universe?\n");
    return 2;
  }
  for (int p = 0; p < NP; p++)
    if (!refsV[p] && !(noRefsV >> p & 1)) refsV[p] = refs[p];
  for (int p = 0; p < NP; p++) {
    contV[0][p] = cont[p];
    contV[1][p] = contV1[p] >= 0 ? contV1[p] : cont[p];
    vd[p] = refs[p] != refsV[p] || contV[0][p] != contV[1][p];
    if (!vd[p]) initVar &= ~(1 << p);
  }
  for (int p = 0; p < NP; p++) clo[p] = 1 << p;
  bool ch = true;
  while (ch) {
    ch = false;
    for (int p = 0; p < NP; p++)
      for (int q = 0; q < NP; q++)
        if (isRefV(0, p, q) && (clo[p] | clo[q]) != clo[p]) {
          clo[p] |= clo[q];
          ch = true;
        }
  }
  for (int v = 0; v < 2; v++) {
    for (int p = 0; p < NP; p++) cloV[v][p] = 1 << p;
    bool c2 = true;
    while (c2) {
      c2 = false;
      for (int p = 0; p < NP; p++)
        for (int q = 0; q < NP; q++)
          if (isRefV(v, p, q) && (cloV[v][p] | cloV[v][q]) != cloV[v][p]) {
            cloV[v][p] |= cloV[v][q];
            c2 = true;
          }
    }
  }
  NC = 0;
  for (int p = 0; p < NP; p++) NC = max(NC, max(contV[0][p], contV[1][p]) + 1);
  S s0;
  memset((void *)&s0, 0, sizeof s0);
  s0.ep = 1;
  s0.root = initRoot;
  for (int p = 0; p < NP; p++)
    if (initLive >> p & 1) {
      s0.p[p].st = LIVE;
      s0.p[p].ni = 1;
      s0.p[p].rv = s0.p[p].nrv = initVar >> p & 1;
      s0.p[p].rank = initRank;
      auto &k = s0.k[ct(s0, p)][0];
      k.st = KLIVE;
      k.pres = 1;
      k.own = initOwn >> p & 1;
      k.bad = initBad >> p & 1;
      if (eLATE) k.url = 1;
    }
  vector<S> st;
  vector<u32> par;
  vector<u8> dep;
  st.reserve(maxStates + (1 << 20));
  par.reserve(maxStates + (1 << 20));
  u64 tsz = 1 << 22;
  vector<u32> tab(tsz, 0xffffffffu);
  auto rehash = [&]() {
    tsz *= 2;
    tab.assign(tsz, 0xffffffffu);
    for (u32 i = 0; i < st.size(); i++) {
      u64 h = hashS(st[i]) & (tsz - 1);
      while (tab[h] != 0xffffffffu) h = (h + 1) & (tsz - 1);
      tab[h] = i;
    }
  };
  auto add = [&](const S &s, u32 pr) -> bool {
    u64 h = hashS(s) & (tsz - 1);
    while (tab[h] != 0xffffffffu) {
      if (!memcmp(&st[tab[h]], &s, sizeof(S))) return false;
      h = (h + 1) & (tsz - 1);
    }
    tab[h] = st.size();
    st.push_back(s);
    par.push_back(pr);
    if (st.size() * 2 > tsz) rehash();
    return true;
  };
  add(s0, 0xffffffffu);
  auto trace = [&](u32 i) {
    vector<u32> ch;
    for (u32 x = i; x != 0xffffffffu; x = par[x]) ch.push_back(x);
    for (int n = (int)ch.size() - 2, c = 1; n >= 0; n--, c++) {
      string name = "?";
      succ(st[ch[n + 1]], [&](const S &t, const string &a) {
        if (name == "?" && !memcmp(&t, &st[ch[n]], sizeof(S))) name = a;
      });
      printf("  %2d %s\n", c, name.c_str());
    }
  };
  auto t0 = chrono::steady_clock::now();
  u64 tr = 0, ends = 0;
  string found;
  u32 fi = 0;
  bool capped = false;
  string v0 = check(s0);
  if (v0 != "") {
    printf("initial: %s\n", v0.c_str());
    return 1;
  }
  for (u32 i = 0; i < st.size() && found.empty(); i++) {
    S cur = st[i];
    int n = 0;
    succ(cur, [&](const S &t, const string &a) {
      n++;
      tr++;
      if (stats) seen[a]++;
      if (!found.empty()) return;
      if (add(t, i)) {
        string v = check(t);
        if (!v.empty()) {
          found = v;
          fi = st.size() - 1;
        }
      }
    });
    if (n == 0 && found.empty()) {
      ends++;
      string v = checkEnd(cur);
      if (v.empty()) {
        S t = cur;
        memset((void *)t.g, 0, sizeof t.g);
        t.root = 0;
        t.g[1].ph = t.g[2].ph = 5;
        for (int z = 0; z < 400; z++) {
          bool got = false;
          S nx;
          succ(t, [&](const S &q, const string &a) {
            if (got) return;
            if (a.find("crash") != string::npos || a.find("fence") != string::npos || a.find("still in") != string::npos ||
                a.find("grace") != string::npos || a.find("again") != string::npos)
              return;
            nx = q;
            got = true;
          });
          if (!got) break;
          t = nx;
          string w = check(t);
          if (!w.empty()) v = "final GC: " + w;
        }
        for (int p = 0; p < NP; p++)
          if (t.p[p].st != GONE || t.p[p].ni) v = string("LEAK: after a last full GC run ") + nm[p] + " is " + PS[t.p[p].st];
        for (int c = 0; c < NC; c++)
          for (int j = 0; j < 3; j++)
            if (t.k[c][j].pres || t.k[c][j].st != KNONE) v = "LEAK: NAR left after a last full GC run";
      }
      if (!v.empty()) {
        found = v;
        fi = i;
      }
    }
    if (st.size() > maxStates || ((i & 0xffff) == 0 && chrono::duration<double>(chrono::steady_clock::now() - t0).count() > maxSeconds)) {
      capped = true;
      break;
    }
  }
  double sec = chrono::duration<double>(chrono::steady_clock::now() - t0).count();
  if (stats)
    for (auto &e : seen) printf("  %10llu %s\n", (unsigned long long)e.second, e.first.c_str());
  if (!found.empty()) {
    printf("VIOLATION %s  (%zu states, %.0fs)\n", found.c_str(), st.size(), sec);
    if (!quiet) trace(fi);
    return 1;
  }
  printf("%s: %zu states, %llu transitions, %llu ends, %.0fs\n", capped ? "CAPPED (no violation so far)" : "CLEAN", st.size(),
         (unsigned long long)tr, (unsigned long long)ends, sec);
}
