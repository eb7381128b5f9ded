(** * The charges of `outward`: what rounding takes from a sum of products, and the last step down

    The checker's fast arithmetic (checker/src/outward.rs) computes sums in binary64 and subtracts charges. Shown here, for rounding to nearest with
    gradual underflow, as Flocq defines it:
    - a sum of n products, added in whatever order, is off by at most γ times the sum of their magnitudes, and what underflow takes
      ([sum_of_products]; Higham, Accuracy and Stability, section 3.1);
    - 1.01·n·2^-53 times the magnitudes *as computed*, and 2^-900, is not less ([charge_pays]); of one operation, of what came out ([addition_pays], [product_pays]);
    - the float before a rounded number is not above what was rounded ([step_down]).
    This file is no part of [check_sound], which needs no rounding but that of interval ends. *)
From Coq Require Import ZArith Reals Lia Lra Psatz.
Require Import Flocq.Core.Core Flocq.Prop.Relative Flocq.Prop.Plus_error.
Open Scope R_scope.

Definition exponent := FLT_exp (-1074) 53.
Definition float := generic_format radix2 exponent.
Definition fl := round radix2 exponent ZnearestE.
Definition u := bpow radix2 (-53).
Definition eta := bpow radix2 (-1075).

#[local] Instance prec_positive : Prec_gt_0 53.
Proof. red; lia. Qed.

Lemma u_bounds : 0 < u <= / 1024.
Proof. unfold u. cbn. lra. Qed.

Lemma fl_product x : Rabs (fl x - x) <= u * Rabs x + eta.
Proof.
  destruct (error_N_FLT radix2 (-1074) 53 ltac:(lia) (fun n => negb (Z.even n)) x) as (eps & et & E1 & E2 & _ & E).
  unfold fl, exponent. rewrite E. replace (x * (1 + eps) + et - x) with (x * eps + et) by ring.
  eapply Rle_trans; [apply Rabs_triang|]. apply Rplus_le_compat.
  - rewrite Rabs_mult, Rmult_comm. apply Rmult_le_compat_r; [apply Rabs_pos|]. unfold u.
    replace (bpow radix2 (-53)) with (/ 2 * bpow radix2 (- (53) + 1)) by (cbn; lra). exact E1.
  - unfold eta. replace (bpow radix2 (-1075)) with (/ 2 * bpow radix2 (-1074)); [exact E2|].
    replace (-1075)%Z with (-1 + -1074)%Z by lia. rewrite bpow_plus. reflexivity.
Qed.

Lemma fl_sum x y : float x -> float y -> Rabs (fl (x + y) - (x + y)) <= u * Rabs (x + y).
Proof.
  intros X Y.
  destruct (FLT_plus_error_N_ex radix2 (-1074) 53 (fun n => negb (Z.even n)) x y X Y) as (eps & E1 & E).
  unfold fl, exponent. rewrite E. replace ((x + y) * (1 + eps) - (x + y)) with ((x + y) * eps) by ring.
  rewrite Rabs_mult, Rmult_comm. apply Rmult_le_compat_r; [apply Rabs_pos|].
  eapply Rle_trans; [exact E1|]. eapply Rle_trans; [apply u_rod1pu_ro_le_u_ro|]. unfold u_ro, u. cbn. lra.
Qed.

Lemma fl_float x : float (fl x).
Proof. apply generic_format_round; [apply FLT_exp_valid; exact prec_positive|apply valid_rnd_N]. Qed.

(** ** Sums of products, in any order *)

Inductive sum := Product (a b : R) | Plus (s t : sum).

Fixpoint computed (s : sum) : R := match s with Product a b => fl (a * b) | Plus s t => fl (computed s + computed t) end.
Fixpoint exact (s : sum) : R := match s with Product a b => a * b | Plus s t => exact s + exact t end.
Fixpoint magnitude (s : sum) : R := match s with Product a b => Rabs (a * b) | Plus s t => magnitude s + magnitude t end.
Fixpoint count (s : sum) : nat := match s with Product _ _ => 1%nat | Plus s t => (count s + count t)%nat end.

Lemma computed_float s : float (computed s).
Proof. destruct s; apply fl_float. Qed.

Lemma count_positive s : (1 <= count s)%nat.
Proof. induction s; cbn; lia. Qed.

Lemma magnitude_exact s : Rabs (exact s) <= magnitude s.
Proof. induction s; cbn; [lra|]. eapply Rle_trans; [apply Rabs_triang|lra]. Qed.

Lemma magnitude_positive s : 0 <= magnitude s.
Proof. eapply Rle_trans; [apply Rabs_pos|apply magnitude_exact]. Qed.

Definition lost (n : nat) (m : R) (k : nat) : R := ((1 + u) ^ n - 1) * m + INR k * eta * (1 + u) ^ n.

Lemma pow_more n m : (n <= m)%nat -> 1 <= (1 + u) ^ n <= (1 + u) ^ m.
Proof. pose proof u_bounds. intros H0. split; [apply pow_R1_Rle; lra|apply Rle_pow; [lra|exact H0]]. Qed.

Lemma eta_positive : 0 < eta.
Proof. apply bpow_gt_0. Qed.

Lemma lost_more n n' m k : (n <= n')%nat -> 0 <= m -> lost n m k <= lost n' m k.
Proof.
  intros H M. unfold lost. destruct (pow_more n n' H). pose proof (pos_INR k). pose proof eta_positive.
  apply Rplus_le_compat; [apply Rmult_le_compat_r; lra|]. apply Rmult_le_compat_l; [nra|lra].
Qed.

Theorem sum_of_products s : Rabs (computed s - exact s) <= lost (count s) (magnitude s) (count s).
Proof.
  induction s as [a b|s IHs t IHt].
  - cbn [computed exact magnitude count]. eapply Rle_trans; [apply fl_product|]. unfold lost. cbn [pow INR].
    pose proof u_bounds. pose proof eta_positive. nra.
  - cbn [computed exact magnitude count].
    pose proof (fl_sum _ _ (computed_float s) (computed_float t)) as E. set (cs := computed s) in *. set (ct := computed t) in *.
    pose proof (count_positive s). pose proof (count_positive t). set (n := (count s + count t)%nat).
    assert (N : exists k, n = S k /\ (count s <= k)%nat /\ (count t <= k)%nat) by (exists (n - 1)%nat; lia). destruct N as (k & Nk & Ks & Kt).
    pose proof (Rle_trans _ _ _ IHs (lost_more _ k _ _ Ks (magnitude_positive s))) as Is.
    pose proof (Rle_trans _ _ _ IHt (lost_more _ k _ _ Kt (magnitude_positive t))) as It.
    pose proof (magnitude_exact s) as Ms. pose proof (magnitude_exact t) as Mt. pose proof u_bounds as U.
    set (m := magnitude s + magnitude t). set (errors := lost k (magnitude s) (count s) + lost k (magnitude t) (count t)).
    assert (L : errors = lost k m n) by (unfold errors, lost, m, n; rewrite plus_INR; ring).
    assert (D : Rabs (cs + ct - (exact s + exact t)) <= errors).
    { replace (cs + ct - (exact s + exact t)) with ((cs - exact s) + (ct - exact t)) by ring.
      eapply Rle_trans; [apply Rabs_triang|]. unfold errors. lra. }
    assert (A : Rabs (cs + ct) <= m + errors).
    { replace (cs + ct) with ((exact s + exact t) + (cs + ct - (exact s + exact t))) by ring.
      eapply Rle_trans; [apply Rabs_triang|]. pose proof (Rabs_triang (exact s) (exact t)). unfold m. lra. }
    replace (fl (cs + ct) - (exact s + exact t)) with ((fl (cs + ct) - (cs + ct)) + (cs + ct - (exact s + exact t))) by ring.
    eapply Rle_trans; [apply Rabs_triang|]. apply Rle_trans with (u * (m + errors) + errors).
    + apply Rplus_le_compat; [|exact D]. eapply Rle_trans; [exact E|]. apply Rmult_le_compat_l; lra.
    + rewrite L, Nk. unfold lost. cbn [pow]. apply Req_le. ring.
Qed.

(** ** The charge *)

Lemma growth n : INR n * u < 1 -> (1 + u) ^ n * (1 - INR n * u) <= 1.
Proof.
  pose proof u_bounds as U. induction n as [|n IH]; intros H; [cbn; lra|].
  rewrite S_INR in *. cbn [pow]. assert (P : 0 <= (1 + u) ^ n) by (apply pow_le; lra). pose proof (pos_INR n).
  assert (X : INR n * u < 1) by lra. specialize (IH X). set (p := (1 + u) ^ n) in *. set (x := INR n * u) in *.
  replace ((1 + u) * p * (1 - (INR n + 1) * u)) with (p * (1 - x) - p * (u * x + u * u)) by (unfold x; ring).
  assert (0 <= x) by (unfold x; apply Rmult_le_pos; lra). assert (0 <= u * x + u * u) by nra.
  assert (0 <= p * (u * x + u * u)) by (apply Rmult_le_pos; lra). lra.
Qed.

(** γ_n, for sums of less than 2^33 products. *)
Lemma gamma n : INR n * u <= / 1048576 -> (1 + u) ^ n - 1 <= 1.001 * (INR n * u) /\ (1 + u) ^ n <= 1.001.
Proof.
  intros H. pose proof (growth n ltac:(lra)) as G. pose proof (pos_INR n). pose proof u_bounds.
  set (x := INR n * u) in *. assert (0 <= x) by (unfold x; nra). set (p := (1 + u) ^ n) in *.
  assert (1 <= p) by (apply (pow_more n n); auto). nra.
Qed.

(** The same sum of the magnitudes. *)
Fixpoint magnitudes (s : sum) : sum :=
  match s with Product a b => Product (Rabs a) (Rabs b) | Plus s t => Plus (magnitudes s) (magnitudes t) end.

Lemma magnitudes_exact s : exact (magnitudes s) = magnitude s /\ magnitude (magnitudes s) = magnitude s /\ count (magnitudes s) = count s.
Proof.
  induction s as [a b|s (A & B & C) t (D & E & F)]; cbn; [|rewrite A, B, C, D, E, F; auto].
  rewrite Rabs_mult. rewrite (Rabs_pos_eq (Rabs a * Rabs b)) by (apply Rmult_le_pos; apply Rabs_pos). auto.
Qed.

Definition tiny := bpow radix2 (-900).

(** 1.01·n·u of the magnitudes as computed in any order, [size], and [tiny]. *)
Theorem charge_pays s size : INR (count s) * u <= / 1048576 ->
  Rabs (size - magnitude s) <= lost (count s) (magnitude s) (count s) ->
  Rabs (computed s - exact s) <= 1.01 * (INR (count s) * u) * size + tiny.
Proof.
  intros N Z. eapply Rle_trans; [apply sum_of_products|]. set (n := count s) in *. set (m := magnitude s) in *.
  destruct (gamma n N) as [G1 G2]. pose proof (magnitude_positive s) as M. fold m in M. pose proof u_bounds. pose proof (pos_INR n). pose proof eta_positive as Eta.
  assert (1 <= (1 + u) ^ n) by (apply (pow_more n n); auto).
  assert (T : INR n * eta * (1 + u) ^ n * 2 <= tiny).
  { assert (INR n * eta <= / 1048576 * bpow radix2 (-1022)).
    { replace eta with (u * bpow radix2 (-1022)) by (unfold u, eta; rewrite <- bpow_plus; f_equal; lia).
      rewrite <- Rmult_assoc. apply Rmult_le_compat_r; [apply bpow_ge_0|exact N]. }
    assert (bpow radix2 (-1022) <= tiny) by (apply bpow_le; lia). pose proof (bpow_ge_0 radix2 (-1022)). nra. }
  assert (S : m - lost n m n <= size) by (apply Rabs_le_inv in Z; lra).
  set (x := INR n * u) in *. assert (0 <= x) by (unfold x; nra). unfold lost in *. set (p := (1 + u) ^ n) in *.
  set (t := INR n * eta * p) in *. assert (0 <= t) by (unfold t; apply Rmult_le_pos; [apply Rmult_le_pos|]; lra).
  assert (Q : (p - 1) * m <= 1.001 * x * m) by (apply Rmult_le_compat_r; lra).
  assert (R : 1.01 * x * (m - (p - 1) * m - t) <= 1.01 * x * size) by (apply Rmult_le_compat_l; nra).
  assert (x * m * x <= x * m * / 1048576) by (apply Rmult_le_compat_l; nra).
  assert (x * t <= t) by nra. assert (x * ((p - 1) * m) <= x * (1.001 * x * m)) by (apply Rmult_le_compat_l; lra).
  assert (0 <= x * m) by nra. nra.
Qed.

(** One rounding is paid for by 1.01·2^-53 of what came out, as [Total::add], [seed], [add] and [relu] charge it. *)
Theorem addition_pays x y : float x -> float y -> Rabs (fl (x + y) - (x + y)) <= 1.01 * u * Rabs (fl (x + y)).
Proof.
  intros X Y. pose proof (fl_sum x y X Y) as E. pose proof u_bounds. set (v := x + y) in *.
  assert (Rabs v <= Rabs (fl v) + Rabs (fl v - v)).
  { replace v with (fl v + - (fl v - v)) at 1 by ring. eapply Rle_trans; [apply Rabs_triang|]. rewrite Rabs_Ropp. lra. }
  pose proof (Rabs_pos (fl v)). pose proof (Rabs_pos v).
  assert (u * Rabs v <= / 1024 * Rabs v) by (apply Rmult_le_compat_r; lra). nra.
Qed.

Theorem product_pays x : Rabs (fl x - x) <= 1.01 * u * Rabs (fl x) + tiny.
Proof.
  pose proof (fl_product x) as E. pose proof u_bounds.
  assert (Rabs x <= Rabs (fl x) + Rabs (fl x - x)).
  { replace x with (fl x + - (fl x - x)) at 1 by ring. eapply Rle_trans; [apply Rabs_triang|]. rewrite Rabs_Ropp. lra. }
  assert (2 * eta <= tiny).
  { replace (2 * eta) with (bpow radix2 (-1074)) by (unfold eta; replace (-1074)%Z with (1 + -1075)%Z by lia; rewrite bpow_plus; reflexivity).
    apply bpow_le; lia. }
  pose proof (Rabs_pos (fl x)). pose proof (Rabs_pos x). pose proof eta_positive.
  assert (u * Rabs x <= / 1024 * Rabs x) by (apply Rmult_le_compat_r; lra). nra.
Qed.

(** ** The last step *)

Theorem step_down v : pred radix2 exponent (fl v) <= v.
Proof.
  assert (V : Valid_exp exponent) by (apply FLT_exp_valid; exact prec_positive).
  destruct (round_DN_or_UP radix2 exponent ZnearestE v) as [E|E]; unfold fl; rewrite E.
  - eapply Rle_trans; [apply pred_le_id|]. apply round_DN_pt; exact V.
  - eapply Rle_trans; [apply pred_UP_le_DN; exact V|]. apply round_DN_pt; exact V.
Qed.

Theorem step_up v : v <= succ radix2 exponent (fl v).
Proof.
  assert (V : Valid_exp exponent) by (apply FLT_exp_valid; exact prec_positive).
  destruct (round_DN_or_UP radix2 exponent ZnearestE v) as [E|E]; unfold fl; rewrite E.
  - eapply Rle_trans; [apply round_UP_pt; exact V|]. apply UP_le_succ_DN; exact V.
  - eapply Rle_trans; [apply round_UP_pt; exact V|]. apply succ_ge_id.
Qed.
