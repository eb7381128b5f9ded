(** * Dyadic numbers n·2^e, intervals of them, and vectors

    Shown here: the integer arithmetic that the checker computes with means what it should over the reals. Nothing is ever
    rounded but the ends of intervals, of which only the direction is shown ([round_down_le], [round_up_ge]). *)
From Coq Require Import ZArith Reals List Lia Lra Bool.
Import ListNotations.
Open Scope Z_scope.

(** ** Powers of two *)

Definition p2 (e : Z) : R := powerRZ 2 e.

Lemma p2_pos e : (0 < p2 e)%R.
Proof. apply powerRZ_lt; lra. Qed.

Lemma p2_add a b : p2 (a + b) = (p2 a * p2 b)%R.
Proof. apply powerRZ_add; lra. Qed.

Lemma p2_0 : p2 0 = 1%R.
Proof. reflexivity. Qed.

Lemma p2_IZR n : 0 <= n -> p2 n = IZR (2 ^ n).
Proof.
  intros H. unfold p2. rewrite <- (Z2Nat.id n H) at 2. rewrite <- pow_IZR.
  rewrite <- (Z2Nat.id n H) at 1. rewrite <- pow_powerRZ. reflexivity.
Qed.

(** ** Dyadic numbers *)

Record dy := Dy { man : Z; ex : Z }.

Definition val (d : dy) : R := (IZR (man d) * p2 (ex d))%R.

(** The mantissa at an exponent that is not larger. *)
Definition at_exponent (e : Z) (d : dy) : Z := Z.shiftl (man d) (ex d - e).

Lemma shiftl_p2 m n : 0 <= n -> IZR (Z.shiftl m n) = (IZR m * p2 n)%R.
Proof. intros H. rewrite Z.shiftl_mul_pow2, mult_IZR, p2_IZR by lia. reflexivity. Qed.

Lemma at_exponent_val e d : e <= ex d -> (IZR (at_exponent e d) * p2 e)%R = val d.
Proof.
  intros H. unfold at_exponent, val. rewrite shiftl_p2 by lia.
  rewrite Rmult_assoc, <- p2_add. do 2 f_equal. lia.
Qed.

Definition dy0 : dy := Dy 0 0.
Lemma val_dy0 : val dy0 = 0%R.
Proof. unfold val; simpl; lra. Qed.

Definition dopp (a : dy) : dy := Dy (- man a) (ex a).
Lemma val_dopp a : val (dopp a) = (- val a)%R.
Proof. unfold val; simpl. rewrite opp_IZR. lra. Qed.

Definition dadd (a b : dy) : dy :=
  if man a =? 0 then b else if man b =? 0 then a else
  let e := Z.min (ex a) (ex b) in Dy (at_exponent e a + at_exponent e b) e.

Lemma val_dadd a b : val (dadd a b) = (val a + val b)%R.
Proof.
  unfold dadd. destruct (Z.eqb_spec (man a) 0) as [Ha|Ha].
  - unfold val at 2. rewrite Ha. lra.
  - destruct (Z.eqb_spec (man b) 0) as [Hb|Hb].
    + unfold val at 3. rewrite Hb. lra.
    + set (e := Z.min (ex a) (ex b)). unfold val at 1; simpl.
      rewrite plus_IZR, Rmult_plus_distr_r, !at_exponent_val by lia. reflexivity.
Qed.

Definition dmul (a b : dy) : dy := Dy (man a * man b) (ex a + ex b).
Lemma val_dmul a b : val (dmul a b) = (val a * val b)%R.
Proof. unfold val; simpl. rewrite mult_IZR, p2_add. ring. Qed.

Definition dleb (a b : dy) : bool :=
  let e := Z.min (ex a) (ex b) in at_exponent e a <=? at_exponent e b.

Lemma dleb_spec a b : reflect (val a <= val b)%R (dleb a b).
Proof.
  unfold dleb. set (e := Z.min (ex a) (ex b)).
  rewrite <- (at_exponent_val e a), <- (at_exponent_val e b) by lia.
  pose proof (p2_pos e) as P.
  destruct (at_exponent e a <=? at_exponent e b) eqn:H; constructor;
    [apply Z.leb_le in H|apply Z.leb_gt in H].
  - apply Rmult_le_compat_r; [lra|]. apply IZR_le; exact H.
  - apply Rlt_not_le. apply Rmult_lt_compat_r; [exact P|]. apply IZR_lt; exact H.
Qed.

Definition dmax (a b : dy) : dy := if dleb a b then b else a.
Definition dmin (a b : dy) : dy := if dleb a b then a else b.

Lemma dmax_le a b x : (val a <= x)%R -> (val b <= x)%R -> (val (dmax a b) <= x)%R.
Proof. unfold dmax. destruct (dleb a b); auto. Qed.

Lemma dmin_ge a b x : (x <= val a)%R -> (x <= val b)%R -> (x <= val (dmin a b))%R.
Proof. unfold dmin. destruct (dleb a b); auto. Qed.

Lemma dmax_l a b : (val a <= val (dmax a b))%R.
Proof. unfold dmax. destruct (dleb_spec a b); lra. Qed.

Lemma dmax_r a b : (val b <= val (dmax a b))%R.
Proof. unfold dmax. destruct (dleb_spec a b); lra. Qed.

(** ** Outward rounding to 53 bits *)

Definition round_down (d : dy) : dy :=
  let n := Z.log2 (Z.abs (man d)) - 52 in
  if n <=? 0 then d else Dy (Z.shiftr (man d) n) (ex d + n).
Definition round_up (d : dy) : dy := dopp (round_down (dopp d)).

Lemma round_down_le d : (val (round_down d) <= val d)%R.
Proof.
  unfold round_down. set (n := _ - 52). destruct (Z.leb_spec n 0) as [H|H]; [lra|].
  unfold val; simpl. rewrite Z.add_comm, p2_add, <- Rmult_assoc.
  apply Rmult_le_compat_r; [left; apply p2_pos|].
  rewrite p2_IZR, <- mult_IZR by lia. apply IZR_le.
  rewrite Z.shiftr_div_pow2, Z.mul_comm by lia. apply Z.mul_div_le. apply Z.pow_pos_nonneg; lia.
Qed.

Lemma round_up_ge d : (val d <= val (round_up d))%R.
Proof.
  unfold round_up. rewrite val_dopp. pose proof (round_down_le (dopp d)) as H.
  rewrite val_dopp in H. lra.
Qed.

(** ** Intervals; an end that is not there is infinite *)

Definition itv : Type := option dy * option dy.
Definition whole : itv := (None, None).

Definition above (l : option dy) (x : R) : Prop := match l with Some d => (val d <= x)%R | None => True end.
Definition below (u : option dy) (x : R) : Prop := match u with Some d => (x <= val d)%R | None => True end.
Definition inside (i : itv) (x : R) : Prop := above (fst i) x /\ below (snd i) x.

Definition join_with (f : dy -> dy -> dy) (a b : option dy) : option dy :=
  match a, b with Some a, Some b => Some (f a b) | None, b => b | a, None => a end.
Definition meet (a b : itv) : itv := (join_with dmax (fst a) (fst b), join_with dmin (snd a) (snd b)).

Lemma inside_whole x : inside whole x.
Proof. split; exact I. Qed.

Lemma inside_meet a b x : inside a x -> inside b x -> inside (meet a b) x.
Proof.
  destruct a as [[la|] [ua|]], b as [[lb|] [ub|]]; unfold inside, meet; simpl;
    intros [] []; split; auto using dmax_le, dmin_ge.
Qed.

Definition is_empty (a : itv) : bool :=
  match a with (Some l, Some u) => negb (dleb l u) | _ => false end.

Lemma inside_not_empty a x : inside a x -> is_empty a = false.
Proof.
  destruct a as [[l|] [u|]]; unfold inside; simpl; auto. intros [].
  destruct (dleb_spec l u); simpl; auto. lra.
Qed.

(** ** Numbers in common units *)

(** The least exponent of numbers that are not 0. *)
Definition low_exponent (d : option dy) (e : option Z) : option Z :=
  match d with
  | Some d => if (man d =? 0)%Z then e else match e with Some e => Some (Z.min e (ex d)) | None => Some (ex d) end
  | None => e
  end.
Definition common_exponent (ends : list itv) : Z :=
  match fold_left (fun e '(l, u) => low_exponent l (low_exponent u e)) ends None with Some e => e | None => 0%Z end.

(** The mantissa at an exponent; nothing where the number is no multiple of the unit. *)
Definition in_units (e : Z) (d : option dy) : option Z :=
  match d with
  | Some d => if (man d =? 0)%Z then Some 0%Z else if (e <=? ex d)%Z then Some (at_exponent e d) else None
  | None => None
  end.

Lemma in_units_val e d m : in_units e (Some d) = Some m -> (p2 e * IZR m = val d)%R.
Proof.
  simpl. destruct (Z.eqb_spec (man d) 0) as [Z|_].
  - intros [= <-]. unfold val. rewrite Z. lra.
  - destruct (Z.leb_spec e (ex d)); [|discriminate]. intros [= <-]. rewrite Rmult_comm. apply at_exponent_val; auto.
Qed.

(** ** Vectors

    Lists with access by position. Extraction makes them persistent arrays: see Extract.v. *)

Inductive vec (A : Type) : Type := Vec (elems : list A).
Arguments Vec {A} elems.

Definition vlist {A} (v : vec A) : list A := match v with Vec l => l end.
Definition vget {A} (d : A) (v : vec A) (i : nat) : A := nth i (vlist v) d.
Definition vlength {A} (v : vec A) : nat := length (vlist v).
Definition vmake {A} (n : nat) (a : A) : vec A := Vec (repeat a n).

Fixpoint replace {A} (l : list A) (i : nat) (a : A) : list A :=
  match l, i with
  | [], _ => []
  | _ :: l, O => a :: l
  | b :: l, S i => b :: replace l i a
  end.
Definition vset {A} (v : vec A) (i : nat) (a : A) : vec A := Vec (replace (vlist v) i a).

Lemma replace_length {A} (l : list A) i a : length (replace l i a) = length l.
Proof. revert i; induction l; destruct i; simpl; auto. Qed.

(** What holds at every position still does where something is put for which it holds. *)
Lemma replace_nth {A} (P : nat -> A -> Prop) d l i a :
  (forall j, P j (nth j l d)) -> P i a -> forall j, P j (nth j (replace l i a) d).
Proof.
  revert P i. induction l as [|b l IH]; intros P i H Ha j; simpl.
  - destruct i; apply H.
  - destruct i, j; simpl; auto.
    + apply (H (S j)).
    + apply (H 0%nat).
    + apply (IH (fun j => P (S j))); auto. intros k; apply (H (S k)).
Qed.

Lemma vset_get {A} (P : nat -> A -> Prop) d v i a :
  (forall j, P j (vget d v j)) -> P i a -> forall j, P j (vget d (vset v i a) j).
Proof. apply replace_nth. Qed.

Lemma vmake_get {A} (d : A) n i : vget d (vmake n d) i = d.
Proof. unfold vget, vmake; simpl. apply nth_repeat. Qed.
