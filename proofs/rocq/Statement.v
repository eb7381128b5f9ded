(** * What a statement is, and what it means over the reals

    A network is a list of tensors, each an affine image of earlier ones or the ReLU of one. All numbers are dyadic: integers
    times a power of two. A statement is a list of cases, boxes of inputs with half-spaces: the unsafe points. *)
From Coq Require Import ZArith Reals List.
Import ListNotations.
From Certus Require Import Numbers.
Open Scope R_scope.

(** ** Networks *)

(** A row of a linear map: (column, weight) pairs, of weights that are integers in units of the map. *)
Definition row : Type := list (nat * Z).
Record map := Map { unit : Z; rows : list row }.

Inductive node :=
  (** bias·2^unit + Σ map · source *)
  | Affine (unit : Z) (bias : list Z) (terms : list (nat * map))
  (** max(0, source), elementwise *)
  | Relu (source : nat).

(** Tensor 0 is the input, of so many elements; tensor t + 1 is what node t makes. *)
Record network := Network { inputs : nat; nodes : list node; output : nat }.

(** A tensor's value; past its end there are zeros. *)
Definition tensor : Type := list R.
Definition at_ (v : tensor) (i : nat) : R := nth i v 0.

Fixpoint row_value (r : row) (x : nat -> R) : R :=
  match r with
  | [] => 0
  | (j, w) :: r => IZR w * x j + row_value r x
  end.

Fixpoint terms_value (terms : list (nat * map)) (i : nat) (x : nat -> nat -> R) : R :=
  match terms with
  | [] => 0
  | (s, m) :: terms => p2 (unit m) * row_value (nth i (rows m) []) (x s) + terms_value terms i x
  end.

Definition node_value (before : list tensor) (n : node) : tensor :=
  let x s i := at_ (nth s before []) i in
  match n with
  | Affine u bias terms =>
      List.map (fun i => IZR (nth i bias 0%Z) * p2 u + terms_value terms i x) (seq 0 (length bias))
  | Relu s => List.map (Rmax 0) (nth s before [])
  end.

Fixpoint tensors (before : list tensor) (ns : list node) : list tensor :=
  match ns with
  | [] => before
  | n :: ns => tensors (before ++ [node_value before n]) ns
  end.

(** The network's function. *)
Definition eval (net : network) (x : tensor) : tensor := nth (output net) (tensors [x] (nodes net)) [].

(** ** Statements *)

Inductive port := X (i : nat) | Y (j : nat).

(** Σ coefficient · port ≤ right, or < right *)
Record half_space := HalfSpace { terms : list (port * dy); right : dy; strict : bool }.
Record case := Case { box : list (dy * dy); half_spaces : list half_space }.
Definition statement : Type := list case.

Definition port_value (x y : tensor) (p : port) : R :=
  match p with X i => at_ x i | Y j => at_ y j end.

Fixpoint left_value (l : list (port * dy)) (x y : tensor) : R :=
  match l with
  | [] => 0
  | (p, c) :: l => val c * port_value x y p + left_value l x y
  end.

Definition satisfied (x y : tensor) (h : half_space) : Prop :=
  if strict h then left_value (terms h) x y < val (right h) else left_value (terms h) x y <= val (right h).

Definition in_box (x : tensor) (b : list (dy * dy)) : Prop :=
  Forall2 (fun x e => val (fst e) <= x <= val (snd e)) x b.

(** An input x with the output y is an unsafe point. *)
Definition unsafe (s : statement) (x y : tensor) : Prop :=
  exists c, In c s /\ in_box x (box c) /\ Forall (satisfied x y) (half_spaces c).
