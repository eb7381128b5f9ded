(** * Several functionals in one: integers that hold a coefficient of each

    A sweep of many functionals multiplies all of their coefficients by the same weights. So the coefficients d_0, d_1, … of one element
    are held in one integer Σ d_l·2^(w·l), a _pack_ with lanes of w bits, and one multiplication serves all.
    Shown here: adding packs and multiplying them by an integer is adding and multiplying in every lane ([lane_add], [lane_mul]) while no
    lane outgrows its bits, of which an upper bound is kept ([fits]); and [decode] finds what [encode] has put together. *)
From Coq Require Import ZArith List Lia Bool.
Import ListNotations.
From Certus Require Import Numbers.
Open Scope Z_scope.

(** ** Packs *)

Fixpoint encode (w : Z) (ds : list Z) : Z :=
  match ds with
  | [] => 0
  | d :: ds => d + Z.shiftl (encode w ds) w
  end.

(** The same in fewer steps: neighbours first. *)
Fixpoint pair_up (w : Z) (ds : list Z) : list Z :=
  match ds with
  | a :: b :: ds => (a + Z.shiftl b w) :: pair_up w ds
  | _ => ds
  end.

Fixpoint encode_tree (turns : nat) (w : Z) (ds : list Z) : Z :=
  match ds, turns with
  | [], _ => 0
  | [d], _ => d
  | _, S turns => encode_tree turns (2 * w) (pair_up w ds)
  | _, O => encode w ds
  end.

(** The bits of an integer from [start] on. *)
Definition bits (p start length : Z) : Z := (p / 2 ^ start) mod 2 ^ length.

(** How to take packs of some lanes apart. *)
Record decoder := Decoder { bits_of_lane : Z; half : Z; halves : Z; starts : list Z }.

Definition decoder_of (w : Z) (lanes : nat) : decoder :=
  let half := Z.shiftl 1 (w - 1) in
  Decoder w half (encode w (repeat half lanes)) (List.map (fun l => Z.of_nat l * w) (seq 0 lanes)).

Definition decode (d : decoder) (p : Z) : list Z :=
  let q := p + halves d in List.map (fun s => bits q s (bits_of_lane d) - half d) (starts d).

Lemma encode_cons w d ds : 0 <= w -> encode w (d :: ds) = d + encode w ds * 2 ^ w.
Proof. intros H; simpl. rewrite Z.shiftl_mul_pow2 by exact H. reflexivity. Qed.

Lemma encode_pair_up w ds : 0 <= w -> encode (2 * w) (pair_up w ds) = encode w ds.
Proof.
  intros H. assert (P : 2 ^ (2 * w) = 2 ^ w * 2 ^ w) by (rewrite <- Z.pow_add_r by lia; f_equal; lia).
  enough (K : encode (2 * w) (pair_up w ds) = encode w ds /\ forall a, encode (2 * w) (pair_up w (a :: ds)) = encode w (a :: ds)) by apply K.
  induction ds as [|d ds [IH1 IH2]].
  - split; auto. intros a. cbn. rewrite !Z.shiftl_0_l. reflexivity.
  - split; [apply IH2|]. intros a. cbn [pair_up]. rewrite !encode_cons, IH1, Z.shiftl_mul_pow2, P by lia. ring.
Qed.

Lemma encode_tree_eq turns w ds : 0 <= w -> encode_tree turns w ds = encode w ds.
Proof.
  revert w ds. induction turns as [|turns IH]; intros w ds H.
  - destruct ds as [|a [|b ds]]; simpl; auto. rewrite Z.shiftl_0_l. lia.
  - destruct ds as [|a [|b ds]]; [reflexivity|cbn; rewrite Z.shiftl_0_l; lia|].
    cbn [encode_tree]. rewrite IH by lia. apply encode_pair_up; exact H.
Qed.

Lemma encode_add w a b : length a = length b -> 0 <= w ->
  encode w a + encode w b = encode w (List.map (fun '(x, y) => x + y) (combine a b)).
Proof.
  revert b. induction a as [|x a IH]; intros [|y b] E H; try discriminate; auto.
  cbn [combine List.map]. rewrite !encode_cons, <- IH by (auto; simpl in E; lia). ring.
Qed.

Lemma encode_mul w a k : 0 <= w -> encode w a * k = encode w (List.map (fun x => x * k) a).
Proof. intros H. induction a as [|x a IH]; [simpl; lia|]. cbn [List.map]. rewrite !encode_cons, <- IH by exact H. ring. Qed.

Lemma encode_bits w us l : 0 < w -> Forall (fun u => 0 <= u < 2 ^ w) us -> (l < length us)%nat ->
  bits (encode w us) (Z.of_nat l * w) w = nth l us 0.
Proof.
  intros H. revert l. induction us as [|u us IH]; intros l F L; [simpl in L; lia|].
  inversion F as [|? ? U Us]; subst. rewrite encode_cons by lia. destruct l as [|l]; simpl nth.
  - unfold bits. rewrite Z.mul_0_l, Z.pow_0_r, Z.div_1_r, Z.add_comm, Z.mul_comm, Z.add_comm.
    rewrite Z.mul_comm, Z.mod_add by lia. apply Z.mod_small; exact U.
  - rewrite <- (IH l) by (auto; simpl in L; lia). unfold bits. f_equal.
    replace (Z.of_nat (S l) * w) with (w + Z.of_nat l * w) by lia.
    rewrite Z.pow_add_r, <- Z.div_div by (try apply Z.pow_nonzero; try apply Z.pow_pos_nonneg; lia).
    f_equal. rewrite Z.div_add, Z.div_small by lia. lia.
Qed.

(** ** What fits *)

(** A pack of so many lanes, none of them beyond [b] in size. *)
Definition fits_in (w : Z) (lanes : nat) (b : Z) (p : Z) : Prop :=
  exists ds, length ds = lanes /\ Forall (fun d => Z.abs d <= b) ds /\ p = encode w ds.

Definition wide (w b : Z) : Prop := 0 < w /\ 0 <= b < 2 ^ (w - 1).

Lemma decode_encode w lanes b ds : wide w b -> length ds = lanes -> Forall (fun d => Z.abs d <= b) ds ->
  decode (decoder_of w lanes) (encode w ds) = ds.
Proof.
  intros [W B] L F. unfold decode, decoder_of; cbn [halves starts bits_of_lane half].
  set (h := Z.shiftl 1 (w - 1)). assert (H : h = 2 ^ (w - 1)) by (unfold h; rewrite Z.shiftl_1_l; reflexivity).
  assert (P : 2 ^ w = 2 * h) by (rewrite H, <- Z.pow_succ_r by lia; f_equal; lia).
  rewrite encode_add by (rewrite ?repeat_length; lia).
  set (us := List.map _ (combine ds (repeat h lanes))).
  assert (U : us = List.map (fun d => d + h) ds).
  { unfold us. clear -L. subst lanes. induction ds as [|d ds IH]; simpl; auto. f_equal. exact IH. }
  rewrite map_map. transitivity (List.map (fun l => nth l us 0 - h) (seq 0 lanes)).
  - apply map_ext_in. intros l I. apply in_seq in I. rewrite encode_bits; auto.
    + rewrite U. apply Forall_map. eapply Forall_impl; [|exact F]. simpl. intros d D. lia.
    + rewrite U, map_length. lia.
  - rewrite U. clear -L. subst lanes. apply nth_ext with (d := 0) (d' := 0).
    + rewrite map_length, seq_length. reflexivity.
    + intros n Hn. rewrite map_length, seq_length in Hn.
      rewrite (nth_indep _ 0 ((fun l => nth l (List.map (fun d => d + h) ds) 0 - h) O)) by (rewrite map_length, seq_length; exact Hn).
      rewrite (map_nth (fun l => nth l (List.map (fun d => d + h) ds) 0 - h)), seq_nth by exact Hn. simpl.
      rewrite (nth_indep _ 0 ((fun d => d + h) 0)) by (rewrite map_length; exact Hn). rewrite (map_nth (fun d => d + h)). lia.
Qed.

(** The number in lane l of a pack. *)
Definition lane (w : Z) (lanes l : nat) (p : Z) : Z := nth l (decode (decoder_of w lanes) p) 0.

Lemma lane_encode w lanes b ds l : wide w b -> length ds = lanes -> Forall (fun d => Z.abs d <= b) ds ->
  lane w lanes l (encode w ds) = nth l ds 0.
Proof. intros W L F. unfold lane. rewrite (decode_encode w lanes b); auto. Qed.

Lemma fits_0 w lanes b : 0 <= b -> fits_in w lanes b 0.
Proof.
  intros B. exists (repeat 0 lanes). split; [apply repeat_length|]. split.
  - apply Forall_forall. intros d I. apply repeat_spec in I. subst. simpl; exact B.
  - induction lanes; simpl; auto. rewrite <- IHlanes, Z.shiftl_0_l. reflexivity.
Qed.

Lemma lane_0 w lanes l : 0 < w -> lane w lanes l 0 = 0.
Proof.
  intros H. destruct (fits_0 w lanes 0 ltac:(lia)) as (ds & L & F & E).
  transitivity (lane w lanes l (encode w ds)); [f_equal; exact E|]. clear E.
  rewrite (lane_encode w lanes 0); auto; [|split; auto; split; [lia|apply Z.pow_pos_nonneg; lia]].
  destruct (Nat.lt_ge_cases l (length ds)) as [I|I]; [|apply nth_overflow; exact I].
  rewrite Forall_forall in F. specialize (F _ (nth_In ds 0 I)). lia.
Qed.

Lemma fits_more w lanes a b p : a <= b -> fits_in w lanes a p -> fits_in w lanes b p.
Proof. intros H (ds & L & F & E). exists ds. repeat split; auto. eapply Forall_impl; [|exact F]. simpl; lia. Qed.

Lemma sum_bound a b ds es : Forall (fun d => Z.abs d <= a) ds -> Forall (fun d => Z.abs d <= b) es ->
  Forall (fun d => Z.abs d <= a + b) (List.map (fun '(x, y) => x + y) (combine ds es)).
Proof.
  intros F. revert es. induction F as [|x ds X F IH]; intros [|y es] G; simpl; constructor; inversion G; subst; auto. lia.
Qed.

Lemma sum_nth l ds es : length ds = length es ->
  nth l (List.map (fun '(x, y) => x + y) (combine ds es)) 0 = nth l ds 0 + nth l es 0.
Proof.
  revert l es. induction ds as [|x ds IH]; intros l [|y es] E; try discriminate; destruct l; simpl; auto.
Qed.

Lemma lane_add w lanes a b p q : wide w (a + b) -> 0 <= a -> 0 <= b -> fits_in w lanes a p -> fits_in w lanes b q ->
  fits_in w lanes (a + b) (p + q) /\ forall l, lane w lanes l (p + q) = lane w lanes l p + lane w lanes l q.
Proof.
  intros W A B (ds & L & F & ->) (es & M & G & ->). assert (E : length ds = length es) by congruence.
  pose proof (sum_bound _ _ _ _ F G) as C. destruct W as [W W'].
  rewrite encode_add by (auto; lia). split.
  - exists (List.map (fun '(x, y) => x + y) (combine ds es)). split; auto. rewrite map_length, combine_length. lia.
  - intros l. rewrite (lane_encode w lanes (a + b)), (lane_encode w lanes a), (lane_encode w lanes b); auto; try (split; auto; lia).
    + apply sum_nth; exact E.
    + rewrite map_length, combine_length. lia.
Qed.

Lemma lane_mul w lanes b p k : wide w (b * Z.abs k) -> wide w b -> fits_in w lanes b p ->
  fits_in w lanes (b * Z.abs k) (p * k) /\ forall l, lane w lanes l (p * k) = lane w lanes l p * k.
Proof.
  intros W V (ds & L & F & ->). pose proof (proj1 W) as P.
  assert (C : Forall (fun d => Z.abs d <= b * Z.abs k) (List.map (fun x => x * k) ds)).
  { apply Forall_map. eapply Forall_impl; [|exact F]. simpl. intros d D. rewrite Z.abs_mul. nia. }
  rewrite encode_mul by lia. split.
  - exists (List.map (fun x => x * k) ds). split; auto. rewrite map_length. exact L.
  - intros l. rewrite (lane_encode w lanes (b * Z.abs k)), (lane_encode w lanes b); auto; [|rewrite map_length; exact L].
    destruct (Nat.lt_ge_cases l (length ds)) as [I|I].
    + rewrite (nth_indep _ 0 ((fun x => x * k) 0)) by (rewrite map_length; exact I). apply (map_nth (fun x => x * k)).
    + rewrite !nth_overflow by (rewrite ?map_length; exact I). lia.
Qed.

(** Bits that are enough for lanes of that size. *)
Definition room (b : Z) : Z := Z.log2 b + 2.

Lemma room_wide w b : 0 <= b -> room b <= w -> wide w b.
Proof.
  intros B H. unfold room in H. pose proof (Z.log2_nonneg b). split; [lia|]. split; [exact B|].
  apply Z.lt_le_trans with (2 ^ (Z.succ (Z.log2 b))).
  - destruct (Z.eq_dec b 0) as [->|N]; [simpl; lia|]. apply Z.log2_spec. lia.
  - apply Z.pow_le_mono_r; lia.
Qed.

Lemma wide_less w a b : 0 <= a <= b -> wide w b -> wide w a.
Proof. intros H [W B]. split; [exact W|lia]. Qed.
