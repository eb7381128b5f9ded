(* Reads a proof: the grammar of FORMAT.md, section 4. What it makes of a proof need not be believed: no proof shows what is false. *)
module Zarith = Z
open Kernel
module Z = Zarith

exception Rejected of int * string

let syntax = "the line does not follow the grammar"
let bad_number = "a number is malformed, out of range or no f64"

exception Wrong of string
let wrong why = raise (Wrong why)

let is_digits w = w <> "" && String.for_all (fun c -> c >= '0' && c <= '9') w

let integer w =
  if not (is_digits w) then wrong syntax
  else if String.length w > 15 then wrong bad_number
  else int_of_string ("0u" ^ w)

(* The two parts around the first place where a text stands. *)
let cut text w =
  let n = String.length text and m = String.length w in
  let rec find i = if i + n > m then None else if String.sub w i n = text then Some i else find (i + 1) in
  Option.map (fun i -> (String.sub w 0 i, String.sub w (i + n) (m - i - n))) (find 0)

let after prefix w =
  let n = String.length prefix in
  if String.length w >= n && String.sub w 0 n = prefix then Some (String.sub w n (String.length w - n)) else None

(* A hex float that is an f64, exactly. *)
let float w =
  let negative, rest = match after "-" w with Some rest -> (true, rest) | None -> (false, w) in
  let digits, exponent = match Option.bind (after "0x" rest) (cut "p") with Some d -> d | None -> wrong bad_number in
  let sign, size = match after "-" exponent, after "+" exponent with
    | Some e, _ -> (-1, e) | None, Some e -> (1, e) | None, None -> (1, exponent) in
  if not (is_digits size) || String.length size > 6 then wrong bad_number;
  let whole, fraction = match cut "." digits with Some d -> d | None -> (digits, "") in
  let is_hex c = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') in
  let all = whole ^ fraction in
  if whole = "" || String.length all > 64 || not (String.for_all is_hex all) then wrong bad_number;
  let m = Z.of_string ("0x" ^ all) and e = sign * int_of_string ("0u" ^ size) - 4 * String.length fraction in
  if Z.equal m Z.zero then { man = Z.zero; ex = Z.zero }
  else begin
    let zeros = Z.trailing_zeros m in
    let m = Z.shift_right m zeros and e = e + zeros in
    if Z.numbits m > 53 || e < -1074 || e + Z.numbits m > 1024 then wrong bad_number;
    { man = (if negative then Z.neg m else m); ex = Z.of_int e }
  end

(* Increasing, disjoint, non-empty ranges. *)
let set w =
  let item acc w =
    let (a, b) as range =
      match cut ".." w with
      | Some (a, b) -> let a = integer a in (a, integer b)
      | None -> let a = integer w in (a, a + 1) in
    let low = match acc with (_, last) :: _ -> last | [] -> 0 in
    if a >= b || a < low then wrong "a list is not increasing";
    range :: acc in
  List.rev (List.fold_left item [] (String.split_on_char ',' w))

let var w =
  match after "x" w, after "q" w, Option.bind (after "r" w) (cut ".") with
  | Some i, _, _ -> XVar (integer i)
  | _, Some k, _ -> QVar (integer k)
  | _, _, Some (k, i) -> let k = integer k in RVar (k, integer i)
  | _ -> wrong syntax

let colon w = match cut ":" w with Some p -> p | None -> wrong syntax

let sum_term w =
  let name, coefficient = colon w in
  let inner = Option.bind (after "relu(" name) (fun rest ->
      let n = String.length rest in
      if n > 0 && rest.[n - 1] = ')' then Some (String.sub rest 0 (n - 1)) else None) in
  let v = var (Option.value inner ~default:name) in
  match v, inner with
  | QVar _, _ | XVar _, Some _ -> wrong syntax
  | _ -> ((v, inner <> None), float coefficient)

let directed w =
  match after ">" w, after "<" w with
  | Some rest, _ -> (Lower, rest)
  | _, Some rest -> (Upper, rest)
  | _ -> wrong syntax

let not_negative d = if Z.sign d.man < 0 then wrong "a weight or a lift is negative" else d

(* The words from a keyword to the next one: one or more, of different keys. *)
let entries keyword entry words =
  match words with
  | w :: words when w = keyword ->
    let rec go acc = function
      | w :: words when w <> "slope" && w <> "lift" ->
        if w = "" then wrong syntax;
        go (entry w :: acc) words
      | words -> (List.rev acc, words) in
    let found, words = go [] words in
    if found = [] then wrong syntax;
    let sorted = List.sort (fun (a, _) (b, _) -> compare a b) found in
    let rec unique = function
      | (a, _) :: ((b, _) :: _ as rest) -> if a = b then wrong "a slope, lift or weight is given twice" else unique rest
      | _ -> () in
    unique sorted;
    (Some sorted, words)
  | _ -> (None, words)

let weight w =
  match cut ":" w with
  | Some (h, d) -> let h = integer h in (h, not_negative (float d))
  | None -> (integer w, { man = Z.one; ex = Z.zero })

(* In units of 2^-32, to the nearest. *)
let slope name = function
  | "" -> None
  | w ->
    let d = float w in
    let one = Z.shift_left Z.one 32 in
    let shift = Z.to_int d.ex + 33 in
    let doubled = if shift >= 0 then Z.shift_left d.man shift else Z.shift_right d.man (-shift) in
    let units = Z.shift_right (Z.succ doubled) 1 in
    let above = Z.gt doubled (Z.shift_left one 1)
                || (Z.to_int d.ex + Z.numbits d.man > 0 && not (Z.equal d.man Z.one && Z.equal d.ex Z.zero)) in
    if Z.sign d.man < 0 || above then wrong (Printf.sprintf "a slope of %s is not in [0, 1]" name);
    Some units

let slopes w =
  let name, values = colon w in
  match var name with
  | RVar (k, i) ->
    let low, high = match cut "/" values with Some p -> p | None -> (values, "") in
    let low = slope name low in
    ((k, i), (low, slope name high))
  | _ -> wrong syntax

let lift w =
  let side, rest = directed w in
  let name, g = colon rest in
  let g = not_negative (float g) in
  ((side, var name), g)

(* Slopes by block, blocks and elements increasing. *)
let by_block l =
  let add acc ((k, i), s) =
    match acc with
    | (k', l) :: rest when k' = k -> (k, (i, s) :: l) :: rest
    | _ -> (k, [ (i, s) ]) :: acc in
  List.rev_map (fun (k, l) -> (k, List.rev l)) (List.fold_left add [] l)

let hints ?(with_using = false) ?(with_lifts = true) words =
  let weights, words = if with_using then entries "using" weight words else (None, words) in
  let found, words = entries "slope" slopes words in
  let lifts, words = if with_lifts then entries "lift" lift words else (None, words) in
  if words <> [] then wrong syntax;
  { weights; slopes = by_block (Option.value found ~default:[]);
    lifts = List.map (fun ((side, v), g) -> ((side, v), g)) (Option.value lifts ~default:[]) }

let target w =
  match after "x" w, after "q" w, after "r" w with
  | Some l, _, _ -> Inputs (set l)
  | _, Some l, _ -> Sums (set l)
  | _, _, Some rest ->
    (match cut "." rest with Some (k, l) -> let k = integer k in Elements (k, set l) | None -> Unstable (integer rest))
  | _ -> wrong syntax

let slab w =
  let side, rest = directed w in
  let v, place = colon rest in
  match var v with XVar i -> ((side, i), float place) | _ -> wrong syntax

type any = Let of int * sum_term list | Cases of set | End of int | Line of line

let parse text =
  match String.split_on_char ' ' text with
  | "let" :: name :: (_ :: _ as terms) ->
    (match var name with QVar k -> Let (k, List.map sum_term terms) | _ -> wrong syntax)
  | [ "cases"; s ] -> Cases (set s)
  | [ "end"; n ] -> End (integer n)
  | "crown" :: r :: words when r <> "slope" ->
    (match set r with [ r ] -> Line (Crown (Some r, hints ~with_lifts:false words)) | _ -> wrong syntax)
  | "crown" :: words -> Line (Crown (None, hints ~with_lifts:false words))
  | "tighten" :: t :: "lower" :: words -> Line (Tighten (target t, Some Lower, hints words))
  | "tighten" :: t :: "upper" :: words -> Line (Tighten (target t, Some Upper, hints words))
  | "tighten" :: t :: words -> Line (Tighten (target t, None, hints words))
  | "refute" :: "all" :: words -> Line (Refute (None, hints ~with_using:true words))
  | "refute" :: s :: words -> Line (Refute (Some (set s), hints ~with_using:true words))
  | "clip" :: words ->
    let rec slabs acc = function
      | w :: words when not (List.mem w [ "using"; "slope"; "lift" ]) -> slabs (slab w :: acc) words
      | words -> (List.rev acc, words) in
    let found, words = slabs [] words in
    if found = [] then wrong syntax;
    Line (Clip (found, hints ~with_using:true words))
  | [ "split"; v; "at"; c ] -> let v = var v in Line (Split (v, float c))
  | [ "part"; s ] -> Line (Part (set s))
  | [ "leaf" ] -> Line Leaf
  | "semantics" :: _ -> wrong "the theorem speaks of networks over the real numbers, and of no other semantics"
  | _ -> wrong syntax

(* The sections of a proof, whose lines the argument gives one by one. *)
let read next_line =
  let number = ref 0 in
  let next () =
    match next_line () with
    | None -> None
    | Some line ->
      incr number;
      let n = String.length line in
      Some (if n > 0 && line.[n - 1] = '\r' then String.sub line 0 (n - 1) else line) in
  let fail why = raise (Rejected (!number, why)) in
  let rec line () =
    match next () with
    | None -> fail "the proof ends before its `end` line"
    | Some text when text <> "" && text.[0] = '#' -> line ()
    | Some text -> (try parse text with Wrong why -> fail why) in
  if next () <> Some "certus-proof 1" then fail "the first line is not `certus-proof 1`";
  (* A tree's lines: as many leaves as nodes ask for. *)
  let tree () =
    let rec go acc waiting =
      if waiting = 0 then List.rev acc
      else
        match line () with
        | Line l ->
          let more = match l with Split _ | Part _ -> 1 | Leaf -> -1 | _ -> 0 in
          go (l :: acc) (waiting + more)
        | _ -> fail syntax in
    go [] 1 in
  let rec sections sums acc =
    match line () with
    | Let (k, terms) ->
      if k <> List.length sums then fail (Printf.sprintf "there is no variable q%d" k);
      sections (sums @ [ terms ]) acc
    | Cases s -> 
      let lines = tree () in
      sections sums ({ section_sums = sums; section_cases = s; section_lines = lines } :: acc)
    | End n ->
      if n <> !number - 1 then fail (Printf.sprintf "there are %d lines, not %d" (!number - 1) n);
      if next () <> None then fail "there is something after the end line";
      List.rev acc
    | Line _ -> fail syntax in
  sections [] []
