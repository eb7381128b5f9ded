(** * Proofs and states: what FORMAT.md says that a proof's lines are, and what is known at a node of its tree

    Definitions only, all of them executable; Alive.v shows what they are worth. Every default choice of slopes comes from a function [guess],
    of which nothing is assumed. *)
From Coq Require Import ZArith List Bool.
Import ListNotations.
From Certus Require Import Numbers Statement Blocks Facets Rules Intervals.
Open Scope Z_scope.

(** ** The lines of a proof *)

(** An input, a pre-activation by block and element, or a sum that the proof defines. *)
Inductive var := XVar (i : nat) | RVar (k i : nat) | QVar (k : nat).
Inductive side := Lower | Upper.

(** Ranges [a, b). *)
Definition set : Type := list (nat * nat).

Record hints := Hints {
  (** weights of half-spaces; without: each alone *)
  weights : option (list (nat * dy));
  (** by block: (element, slopes of the lower and of the upper facet in units of 2^-32), elements increasing *)
  slopes : list (nat * list (nat * (option Z * option Z)));
  (** on a lower or upper end, by which factor *)
  lifts : list (side * var * dy) }.

Inductive target := Unstable (k : nat) | Elements (k : nat) (s : set) | Inputs (s : set) | Sums (s : set).

Inductive line :=
  | Crown (range : option (nat * nat)) (h : hints)
  | Tighten (t : target) (which : option side) (h : hints)
  | Refute (cases : option set) (h : hints)
  (** (side, input, place): Lower is x ≥ place, which is to be refuted *)
  | Clip (slabs : list (side * nat * dy)) (h : hints)
  | Split (v : var) (place : dy)
  | Part (cases : set)
  | Leaf.

(** A sum's terms: a variable or its ReLU, times a coefficient. *)
Definition sum_term : Type := var * bool * dy.

(** A tree for some cases, with all sums that are defined before it. *)
Record section := Section { section_sums : list (list sum_term); section_cases : set; section_lines : list line }.

Definition in_set (s : set) (n : nat) : bool := existsb (fun '(a, b) => Nat.leb a n && Nat.ltb n b) s.
Definition members (s : set) : list nat := flat_map (fun '(a, b) => seq a (b - a)) s.

(** ** What does not change along a tree *)

Record context := Context {
  circ : circuit;
  (** by block: its pre-activations' tensor, and its ReLU's *)
  blocks : vec (nat * nat);
  (** by tensor: the number of its block, if it is a ReLU's *)
  numbers : vec nat;
  (** by tensor: those that read it *)
  users : vec (list nat);
  out : nat;
  cases : vec case;
  sums : vec (list term) }.

(** *** States *)

Record state := State {
  ends : intervals;
  sum_ends : vec itv;
  (** some interval is empty: no point is left *)
  void : bool;
  (** tensors whose sources have changed since interval arithmetic last saw them *)
  stale : vec bool;
  opens : list nat }.

Section States.
(** Default slopes (lower, upper facet; units of 2^-32) of a ReLU tensor's elements. *)
Variable guess : nat -> intervals -> list (Z * Z).
Variable ctx : context.
Notation c := (circ ctx).

Definition block (k : nat) : option (nat * nat) :=
  if Nat.ltb k (vlength (blocks ctx)) then Some (vget (O, O) (blocks ctx) k) else None.

(** What a variable is the sum of; nothing, if it does not exist. *)
Definition one : dy := Dy 1 0.
Definition resolve (v : var) : option (list term) :=
  match v with
  | XVar i => if Nat.ltb i (size c 0) then Some [(O, i, one)] else None
  | RVar k i =>
    match block k with
    | Some (t, _) => if Nat.ltb i (size c t) then Some [(t, i, one)] else None
    | None => None
    end
  | QVar k => if Nat.ltb k (vlength (sums ctx)) then Some (vget [] (sums ctx) k) else None
  end.

Definition is_some {A} (a : option A) : bool := match a with Some _ => true | None => false end.

(** The last tensor that a variable has to do with. *)
Definition last_of (v : var) : nat :=
  match resolve v with
  | Some l => fold_left (fun n '(t, _, _) => Nat.max n t) l O
  | None => O
  end.

Definition interval_of (s : state) (v : var) : itv :=
  match v with
  | XVar i => vget whole (known (ends s) 0) i
  | RVar k i => match block k with Some (t, _) => vget whole (known (ends s) t) i | None => whole end
  | QVar k => vget whole (sum_ends s) k
  end.

(** *** Intersecting intervals *)

Definition improves (new old : itv) : bool :=
  match fst new, fst old with Some n, Some o => negb (dleb n o) | Some _, None => true | None, _ => false end ||
  match snd new, snd old with Some n, Some o => negb (dleb o n) | Some _, None => true | None, _ => false end.

Definition mark (s : state) (t : nat) : vec bool :=
  fold_left (fun v u => vset v u true) (vget [] (users ctx) t) (stale s).

Definition meet_element (s : state) (t i : nat) (new : itv) : state :=
  let old := vget whole (known (ends s) t) i in
  if improves new old then
    let both := meet old new in
    State (vset (ends s) t (vset (known (ends s) t) i both)) (sum_ends s) (void s || is_empty both) (mark s t) (opens s)
  else s.

Definition meet_var (s : state) (v : var) (new : itv) : state :=
  match v with
  | XVar i => meet_element s 0 i new
  | RVar k i => match block k with Some (t, _) => meet_element s t i new | None => s end
  | QVar k =>
    let both := meet (vget whole (sum_ends s) k) new in
    State (ends s) (vset (sum_ends s) k both) (void s || is_empty both) (stale s) (opens s)
  end.

Fixpoint meet_lists (old new : list itv) : list itv :=
  match old, new with
  | o :: old, n :: new => meet o n :: meet_lists old new
  | _, _ => old
  end.

Fixpoint any_improves (new old : list itv) : bool :=
  match new, old with
  | n :: new, o :: old => improves n o || any_improves new old
  | _, _ => false
  end.

Definition meet_tensor (s : state) (t : nat) (new : list itv) : state :=
  let old := vlist (known (ends s) t) in
  if any_improves new old then
    let both := meet_lists old new in
    State (vset (ends s) t (Vec both)) (sum_ends s) (void s || existsb is_empty both) (mark s t) (opens s)
  else s.

(** Interval arithmetic for one tensor, if it is not up to date. *)
Definition refresh (s : state) (t : nat) : state :=
  if negb (void s) && vget false (stale s) t then
    let s' := State (ends s) (sum_ends s) (void s) (vset (stale s) t false) (opens s) in
    match image c (ends s) t with
    | Some new => meet_tensor s' t new
    | None => s'
    end
  else s.

(** For all tensors up to the last pre-activation that is not after [top]. *)
Definition rebuild (s : state) (top : nat) : state :=
  let last := fold_left (fun n '(t, _) => if Nat.leb t top then Nat.max n t else n) (vlist (blocks ctx)) O in
  fold_left refresh (seq 1 last) s.

(** *** Hints *)

Definition hints_exist (h : hints) : bool :=
  forallb (fun '(k, l) => forallb (fun '(i, _) => is_some (resolve (RVar k i))) l) (slopes h) &&
  forallb (fun '(_, v, _) => is_some (resolve v)) (lifts h).

Definition prepare (s : state) (h : hints) (top : nat) : state :=
  rebuild s (fold_left (fun n '(_, v, _) => Nat.max n (last_of v)) (lifts h) top).

Fixpoint with_hints (i : nat) (l : list (Z * Z)) (h : list (nat * (option Z * option Z))) : list (Z * Z) :=
  match l with
  | [] => []
  | (a, s) :: l =>
    match h with
    | (j, (a', s')) :: rest =>
      if Nat.eqb i j
      then (match a' with Some a => a | None => a end, match s' with Some s => s | None => s end) :: with_hints (S i) l rest
      else (a, s) :: with_hints (S i) l h
    | [] => (a, s) :: l
    end
  end.

(** The relaxations of tensor t, if it is a ReLU's; of those up to a tensor. *)
Definition relaxation (s : state) (h : hints) (t : nat) : facets :=
  match def c t with
  | Some (Relu z) =>
    let k := vget O (numbers ctx) t in
    let hinted := match find (fun kl => Nat.eqb (fst kl) k) (slopes h) with Some (_, l) => l | None => [] end in
    make_facets (with_hints 0 (guess t (ends s)) hinted) (vlist (known (ends s) z))
  | _ => no_facets
  end.

Definition relaxations (s : state) (h : hints) (top : nat) : vec facets := Vec (List.map (relaxation s h) (seq 0 (S top))).

(** Σ −g·(v − l) and −g·(u − v), none of them above 0. *)
Fixpoint lifted (s : state) (l : list (side * var * dy)) : option functional :=
  match l with
  | [] => Some (Functional [] dy0)
  | (sd, v, g) :: l =>
    match resolve v, (match sd with Lower => fst (interval_of s v) | Upper => snd (interval_of s v) end), lifted s l with
    | Some p, Some e, Some f =>
      if 0 <=? man g then
        match sd with
        | Lower => Some (Functional (scale_terms (dopp g) p ++ parts f) (dadd (dmul g e) (const f)))
        | Upper => Some (Functional (scale_terms g p ++ parts f) (dadd (dmul (dopp g) e) (const f)))
        end
      else None
    | _, _, _ => None
    end
  end.

End States.

(** ** The network, made ready *)

Fixpoint node_sizes (known : list nat) (ns : list node) : list nat :=
  match ns with
  | [] => known
  | Affine _ bias _ :: ns => node_sizes (known ++ [length bias]) ns
  | Relu s :: ns => node_sizes (known ++ [nth s known O]) ns
  end.

Definition node_norms (n : node) : list Z :=
  match n with Affine _ _ terms => List.map (fun sm => map_norm (snd sm)) terms | Relu _ => [] end.

Definition circuit_of (net : network) : circuit :=
  Circuit (Vec (None :: List.map Some (nodes net))) (Vec (node_sizes [inputs net] (nodes net))) (Vec ([] :: List.map node_norms (nodes net))).

(** Nodes read earlier tensors only, and their maps fit. *)
Definition node_fits (c : circuit) (t : nat) (n : node) : bool :=
  match n with
  | Affine _ bias terms =>
    forallb (fun sm => Nat.ltb (fst sm) t && map_fits c sm && Nat.leb (length (rows (snd sm))) (length bias)) terms
  | Relu s => Nat.ltb s t
  end.

Fixpoint nodes_fit (c : circuit) (t : nat) (ns : list node) : bool :=
  match ns with
  | [] => true
  | n :: ns => node_fits c t n && nodes_fit c (S t) ns
  end.

Definition network_fits (net : network) : bool :=
  nodes_fit (circuit_of net) 1 (nodes net) && Nat.leb (output net) (length (nodes net)).

Fixpoint relu_blocks (t : nat) (ns : list node) : list (nat * nat) :=
  match ns with
  | [] => []
  | Relu s :: ns => (s, t) :: relu_blocks (S t) ns
  | _ :: ns => relu_blocks (S t) ns
  end.

Fixpoint relu_numbers (k : nat) (ns : list node) : list nat :=
  match ns with
  | [] => []
  | Relu _ :: ns => k :: relu_numbers (S k) ns
  | _ :: ns => k :: relu_numbers k ns
  end.

Definition sources (n : node) : list nat :=
  match n with Affine _ _ terms => List.map fst terms | Relu s => [s] end.

Fixpoint users_of (t : nat) (ns : list node) (v : vec (list nat)) : vec (list nat) :=
  match ns with
  | [] => v
  | n :: ns => users_of (S t) ns (fold_left (fun v s => vset v s (t :: vget [] v s)) (sources n) v)
  end.

Definition context_of (net : network) (st : statement) : context :=
  Context (circuit_of net) (Vec (relu_blocks 1 (nodes net))) (Vec (O :: relu_numbers 0 (nodes net)))
    (users_of 1 (nodes net) (vmake (S (length (nodes net))) [])) (output net) (Vec st) (Vec []).
