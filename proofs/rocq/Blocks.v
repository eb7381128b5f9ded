(** * Linear functionals of one tensor, several at once

    The coefficients of several functionals ("lanes") of a tensor, packed. Shown here: adding two, and composing with an affine map, are
    what they should be in every lane ([block_add_ok], [through_ok], [dot_bias_ok]), and where they begin ([seed_block_ok]). *)
From Coq Require Import ZArith Reals List Lia Lra Bool.
Import ListNotations.
From Certus Require Import Numbers Lanes Statement.
Open Scope R_scope.

(** ** Inner products *)

Fixpoint dot (l : list Z) (x : nat -> R) : R :=
  match l with
  | [] => 0
  | c :: l => IZR c * x O + dot l (fun i => x (S i))
  end.

Lemma dot_ext l x y : (forall i, x i = y i) -> dot l x = dot l y.
Proof. revert x y; induction l; intros x y H; simpl; auto. rewrite H, (IHl _ (fun i => y (S i))); auto. Qed.

Lemma dot_zeros l x : (forall c, In c l -> c = 0%Z) -> dot l x = 0.
Proof.
  revert x; induction l; intros x H; simpl; auto. rewrite (H a), IHl; [lra| |left; auto]. intros; apply H; right; auto.
Qed.

Lemma dot_plus l x y : dot l (fun i => x i + y i) = dot l x + dot l y.
Proof. revert x y; induction l; intros; simpl; [lra|]. rewrite (IHl (fun i => x (S i)) (fun i => y (S i))). lra. Qed.

Lemma dot_scal l k x : dot l (fun i => k * x i) = k * dot l x.
Proof. revert x; induction l; intros; simpl; [lra|]. rewrite (IHl (fun i => x (S i))). lra. Qed.

Lemma dot_replace l i c x : (i < length l)%nat -> dot (replace l i c) x = dot l x + IZR (c - nth i l 0%Z) * x i.
Proof.
  revert i x. induction l as [|b l IH]; intros i x H; simpl in *; [lia|].
  destruct i; simpl.
  - rewrite minus_IZR. lra.
  - rewrite IH by lia. lra.
Qed.

Lemma dot_shift l k x : (0 <= k)%Z -> dot (List.map (fun c => Z.shiftl c k) l) x = p2 k * dot l x.
Proof.
  intros H. revert x; induction l; intros; simpl; [lra|].
  rewrite IHl, shiftl_p2 by auto. lra.
Qed.

Fixpoint zip_add (a b : list Z) : list Z :=
  match a, b with
  | [], b => b
  | a, [] => a
  | x :: a, y :: b => (x + y)%Z :: zip_add a b
  end.

Lemma dot_zip_add a b x : dot (zip_add a b) x = dot a x + dot b x.
Proof.
  revert b x. induction a as [|c a IH]; intros [|d b] x; simpl; try lra.
  rewrite IH, plus_IZR. lra.
Qed.

Lemma map_replace {A B} (f : A -> B) l i a : List.map f (replace l i a) = replace (List.map f l) i (f a).
Proof. revert i; induction l; intros [|i]; simpl; auto. f_equal; auto. Qed.

Lemma Forall_replace {A} (P : A -> Prop) l i a : Forall P l -> P a -> Forall P (replace l i a).
Proof. intros F H. revert i. induction F; intros [|i]; simpl; constructor; auto. Qed.

Lemma vset_length {A} (v : vec A) i a : vlength (vset v i a) = vlength v.
Proof. apply replace_length. Qed.

(** ** Blocks *)

(** Packs of coefficients in units of 2^scale, of lanes of [width] bits, none beyond [bound]. *)
Record block := Block { scale : Z; width : Z; bound : Z; packs : vec Z }.

Section Lanes.
Variable lanes : nat.

Definition good (b : block) : Prop :=
  wide (width b) (bound b) /\ Forall (fits_in (width b) lanes (bound b)) (vlist (packs b)).

(** The coefficients of lane l, and its value. *)
Definition lane_list (w : Z) (l : nat) (ps : list Z) : list Z := List.map (lane w lanes l) ps.
Definition block_value (l : nat) (b : block) (x : nat -> R) : R :=
  p2 (scale b) * dot (lane_list (width b) l (vlist (packs b))) x.

(** *** Other widths and smaller units *)

Definition recode (w e : Z) (b : block) : block :=
  let k := (scale b - e)%Z in
  if ((w =? width b) && (k =? 0))%Z then b else
  let d := decoder_of (width b) lanes in
  Block e w (Z.shiftl (bound b) k)
    (Vec (List.map (fun p => if (p =? 0)%Z then 0%Z else encode_tree lanes w (List.map (fun c => Z.shiftl c k) (decode d p))) (vlist (packs b)))).

Lemma recode_ok w e b : good b -> (e <= scale b)%Z -> wide w (Z.shiftl (bound b) (scale b - e)) ->
  let r := recode w e b in
  good r /\ scale r = e /\ width r = w /\ bound r = Z.shiftl (bound b) (scale b - e) /\
  vlength (packs r) = vlength (packs b) /\ forall l x, block_value l r x = block_value l b x.
Proof.
  intros [W F] E V. unfold recode. set (k := (scale b - e)%Z) in *. assert (K : (0 <= k)%Z) by lia.
  destruct ((w =? width b) && (k =? 0))%Z eqn:C; cbv zeta.
  - apply andb_prop in C as [C1 C2]. apply Z.eqb_eq in C1, C2. subst w.
    repeat split; auto; try lia; try apply W. rewrite C2, Z.shiftl_0_r. reflexivity.
  - clear C. set (f := fun p : Z => _). cbn [scale width bound packs vlist vlength].
    assert (H : forall p, fits_in (width b) lanes (bound b) p ->
      fits_in w lanes (Z.shiftl (bound b) k) (f p) /\ forall l, lane w lanes l (f p) = Z.shiftl (lane (width b) lanes l p) k).
    { intros p (ds & L & D & P). unfold f. destruct (Z.eqb_spec p 0) as [Z0|_].
      - split; [apply fits_0; apply V|]. intros l. rewrite Z0, !lane_0 by apply V || apply W. rewrite Z.shiftl_0_l. reflexivity.
      - rewrite P, (decode_encode _ _ (bound b)), encode_tree_eq by (auto; destruct V; lia).
        assert (G : Forall (fun d => (Z.abs d <= Z.shiftl (bound b) k)%Z) (List.map (fun c => Z.shiftl c k) ds)).
        { apply Forall_map. eapply Forall_impl; [|exact D]. cbv beta. intros d Hd. rewrite !Z.shiftl_mul_pow2, Z.abs_mul by lia.
          rewrite (Z.abs_eq (2 ^ k)) by (apply Z.pow_nonneg; lia). apply Z.mul_le_mono_nonneg_r; [apply Z.pow_nonneg; lia|exact Hd]. }
        split.
        + exists (List.map (fun c => Z.shiftl c k) ds). rewrite map_length. auto.
        + intros l. rewrite (lane_encode w lanes (Z.shiftl (bound b) k)), (lane_encode (width b) lanes (bound b)); auto;
            [|rewrite map_length; exact L].
          destruct (Nat.lt_ge_cases l (length ds)) as [I|I].
          * rewrite (nth_indep _ 0%Z ((fun c => Z.shiftl c k) 0%Z)) by (rewrite map_length; exact I). apply (map_nth (fun c => Z.shiftl c k)).
          * rewrite !nth_overflow by (rewrite ?map_length; exact I). rewrite Z.shiftl_0_l. reflexivity. }
    split; [split; cbn; [exact V|]|]; [|repeat split].
    + apply Forall_map. eapply Forall_impl; [|exact F]. intros p Hp. apply H; exact Hp.
    + unfold vlength; cbn. apply map_length.
    + intros l x. unfold block_value; cbn [scale width packs vlist]. unfold lane_list. rewrite map_map.
      rewrite (map_ext_in _ (fun p => Z.shiftl (lane (width b) lanes l p) k)).
      * rewrite <- (map_map (lane (width b) lanes l) (fun c => Z.shiftl c k)), dot_shift by exact K.
        rewrite <- Rmult_assoc, <- p2_add. do 2 f_equal. lia.
      * intros p I. rewrite Forall_forall in F. apply H, F, I.
Qed.

(** *** Adding *)

Definition block_add (a b : block) : block :=
  let e := Z.min (scale a) (scale b) in
  let m := (Z.shiftl (bound a) (scale a - e) + Z.shiftl (bound b) (scale b - e))%Z in
  let w := Z.max (Z.max (width a) (width b)) (room m) in
  Block e w m (Vec (zip_add (vlist (packs (recode w e a))) (vlist (packs (recode w e b))))).

Lemma zip_add_ok w a b ps qs : wide w (a + b) -> (0 <= a)%Z -> (0 <= b)%Z ->
  Forall (fits_in w lanes a) ps -> Forall (fits_in w lanes b) qs ->
  Forall (fits_in w lanes (a + b)) (zip_add ps qs) /\
  forall l, lane_list w l (zip_add ps qs) = zip_add (lane_list w l ps) (lane_list w l qs).
Proof.
  intros W A B F. revert qs. induction F as [|p ps P F IH]; intros qs G; cbn [zip_add].
  - split; auto. eapply Forall_impl; [|exact G]. intros q. apply fits_more; lia.
  - destruct G as [|q qs Q G].
    + split; auto. constructor; [apply (fits_more _ _ a); [lia|exact P]|].
      eapply Forall_impl; [|exact F]. intros q. apply fits_more; lia.
    + destruct (lane_add w lanes a b p q W A B P Q) as [S E]. destruct (IH qs G) as [S' E']. split; [constructor; auto|].
      intros l. unfold lane_list in *. cbn [List.map zip_add]. rewrite E, E'. reflexivity.
Qed.

Lemma shiftl_le b k : (0 <= b)%Z -> (0 <= Z.shiftl b k)%Z.
Proof. intros. apply Z.shiftl_nonneg; auto. Qed.

Lemma block_add_ok a b : good a -> good b ->
  good (block_add a b) /\ forall l x, block_value l (block_add a b) x = block_value l a x + block_value l b x.
Proof.
  intros Ga Gb. unfold block_add. set (e := Z.min (scale a) (scale b)).
  set (ma := Z.shiftl (bound a) (scale a - e)). set (mb := Z.shiftl (bound b) (scale b - e)).
  set (w := Z.max (Z.max (width a) (width b)) (room (ma + mb))).
  assert (A : (0 <= ma)%Z) by (apply shiftl_le; apply Ga). assert (B : (0 <= mb)%Z) by (apply shiftl_le; apply Gb).
  assert (W : wide w (ma + mb)) by (apply room_wide; lia).
  assert (Ua : wide w ma) by (eapply wide_less; [|exact W]; lia).
  assert (Ub : wide w mb) by (eapply wide_less; [|exact W]; lia).
  destruct (recode_ok w e a Ga ltac:(lia) Ua) as ([_ Fa] & Sa & Wa & Ba & _ & Va).
  destruct (recode_ok w e b Gb ltac:(lia) Ub) as ([_ Fb] & Sb & Wb & Bb & _ & Vb).
  fold ma in Ba. fold mb in Bb. rewrite Ba, Wa in Fa. rewrite Bb, Wb in Fb.
  destruct (zip_add_ok w ma mb _ _ W A B Fa Fb) as [Z E]. split; [split; cbn; auto|].
  intros l x. rewrite <- (Va l x), <- (Vb l x). unfold block_value; cbn [scale width packs vlist].
  rewrite E, dot_zip_add, Sa, Sb, Wa, Wb. lra.
Qed.

(** *** Through an affine map *)

Fixpoint scatter_row (c : Z) (r : row) (into : vec Z) : vec Z :=
  match r with
  | [] => into
  | (j, w) :: r => scatter_row c r (vset into j (vget 0%Z into j + c * w)%Z)
  end.

Fixpoint scatter (cs : list Z) (rs : list row) (into : vec Z) : vec Z :=
  match cs, rs with
  | c :: cs, r :: rs => scatter cs rs (if (c =? 0)%Z then into else scatter_row c r into)
  | _, _ => into
  end.

(** Σ |w|, over a row and over a map: no coefficient grows by more on its way through it. *)
Definition row_norm (r : row) : Z := fold_right (fun jw n => (Z.abs (snd jw) + n)%Z) 0%Z r.
Definition map_norm (m : map) : Z := fold_right (fun r n => (row_norm r + n)%Z) 0%Z (rows m).
Definition bias_norm (b : list Z) : Z := fold_right (fun w n => (Z.abs w + n)%Z) 0%Z b.

(** Every column that a row reads is there. *)
Definition row_fits (n : nat) (r : row) : bool := forallb (fun jw => Nat.ltb (fst jw) n) r.

Lemma row_norm_nonneg r : (0 <= row_norm r)%Z.
Proof. induction r as [|[j w] r IH]; [cbn; lia|]. change (row_norm ((j, w) :: r)) with (Z.abs w + row_norm r)%Z. lia. Qed.

Lemma bias_norm_nonneg b : (0 <= bias_norm b)%Z.
Proof. induction b as [|w b IH]; [cbn; lia|]. change (bias_norm (w :: b)) with (Z.abs w + bias_norm b)%Z. lia. Qed.

Definition rows_norm (rs : list row) : Z := fold_right (fun r n => (row_norm r + n)%Z) 0%Z rs.
Lemma rows_norm_nonneg rs : (0 <= rows_norm rs)%Z.
Proof.
  induction rs as [|r rs IH]; [cbn; lia|]. change (rows_norm (r :: rs)) with (row_norm r + rows_norm rs)%Z.
  pose proof (row_norm_nonneg r). lia.
Qed.

Lemma scatter_row_length c r into : vlength (scatter_row c r into) = vlength into.
Proof. revert into; induction r as [|[j w] r IH]; intros; simpl; auto. rewrite IH. apply vset_length. Qed.

Lemma Forall_nth_default {A} (P : A -> Prop) l i d : Forall P l -> (i < length l)%nat -> P (nth i l d).
Proof. intros F H. rewrite Forall_forall in F. apply F, nth_In, H. Qed.

Lemma scatter_row_ok w a b c r into : wide w (a + b * row_norm r) -> (0 <= a)%Z -> wide w b -> fits_in w lanes b c ->
  row_fits (vlength into) r = true -> Forall (fits_in w lanes a) (vlist into) ->
  Forall (fits_in w lanes (a + b * row_norm r)) (vlist (scatter_row c r into)) /\
  forall l x, dot (lane_list w l (vlist (scatter_row c r into))) x =
    dot (lane_list w l (vlist into)) x + IZR (lane w lanes l c) * row_value r x.
Proof.
  intros W A V C. revert a into W A. induction r as [|[j k] r IH]; intros a into W A H F; cbn [row_norm fold_right scatter_row snd row_value] in *.
  - split; [eapply Forall_impl; [|exact F]; intros p; apply fits_more; lia|intros; lra].
  - simpl in H. apply andb_prop in H as [Hj Hr]. apply Nat.ltb_lt in Hj. fold (row_norm r) in *.
    pose proof (row_norm_nonneg r) as N. destruct V as [V0 V]. pose proof (Z.abs_nonneg k) as K0.
    assert (BN : (0 <= b * row_norm r)%Z) by nia. assert (BK : (0 <= b * Z.abs k)%Z) by nia.
    assert (W1 : wide w (a + b * Z.abs k)) by (eapply wide_less; [|exact W]; lia).
    destruct (lane_mul w lanes b c k (wide_less w (b * Z.abs k) (a + b * Z.abs k) ltac:(lia) W1) (conj V0 V) C) as [M ME].
    destruct (lane_add w lanes a (b * Z.abs k) (vget 0%Z into j) (c * k) W1 A BK (Forall_nth_default _ _ _ _ F Hj) M) as [S SE].
    set (into' := vset into j _).
    assert (F' : Forall (fits_in w lanes (a + b * Z.abs k)) (vlist into')).
    { unfold into', vset; cbn [vlist]. apply Forall_replace; auto. eapply Forall_impl; [|exact F]. intros p; apply fits_more; lia. }
    replace (a + b * (Z.abs k + row_norm r))%Z with (a + b * Z.abs k + b * row_norm r)%Z in * by ring.
    destruct (IH _ into' W ltac:(lia)) as [R RE]; [unfold into'; rewrite vset_length; exact Hr|exact F'|]. split; [exact R|].
    intros l x. rewrite RE. unfold into', vset; cbn [vlist]. unfold lane_list. rewrite map_replace.
    rewrite dot_replace by (rewrite map_length; exact Hj). rewrite SE, ME.
    rewrite (nth_indep _ 0%Z (lane w lanes l 0%Z)) by (rewrite map_length; exact Hj). rewrite map_nth. unfold vget.
    replace (_ + lane w lanes l c * k - _)%Z with (lane w lanes l c * k)%Z by ring. rewrite mult_IZR. lra.
Qed.

Lemma scatter_ok w a b cs rs into : wide w (a + b * rows_norm rs) -> (0 <= a)%Z -> wide w b -> Forall (fits_in w lanes b) cs ->
  forallb (row_fits (vlength into)) rs = true -> Forall (fits_in w lanes a) (vlist into) ->
  Forall (fits_in w lanes (a + b * rows_norm rs)) (vlist (scatter cs rs into)) /\
  forall l x, dot (lane_list w l (vlist (scatter cs rs into))) x =
    dot (lane_list w l (vlist into)) x + dot (lane_list w l cs) (fun i => row_value (nth i rs []) x).
Proof.
  intros W A V C. revert a rs into W A. induction C as [|c cs Hc C IH]; intros a rs into W A H F.
  - cbn [scatter]. pose proof (rows_norm_nonneg rs). destruct V as [V0 V].
    split; [destruct rs; eapply Forall_impl; try exact F; intros p; apply fits_more; nia|]. intros; destruct rs; cbn; lra.
  - destruct rs as [|r rs].
    + change (rows_norm []) with 0%Z in *. cbn [scatter]. split; [eapply Forall_impl; [|exact F]; intros p; apply fits_more; lia|].
      intros l x. rewrite (dot_ext (lane_list w l (c :: cs)) _ (fun i => 0 * 0)), dot_scal by (intros [|i]; cbn; lra). lra.
    + cbn [scatter]. simpl in H. apply andb_prop in H as [Hr Hrs].
      change (rows_norm (r :: rs)) with (row_norm r + rows_norm rs)%Z in *.
      pose proof (row_norm_nonneg r) as N. pose proof (rows_norm_nonneg rs) as N'. destruct V as [V0 V].
      assert (0 <= b * row_norm r)%Z by nia. assert (0 <= b * rows_norm rs)%Z by nia.
      replace (a + b * (row_norm r + rows_norm rs))%Z with (a + b * row_norm r + b * rows_norm rs)%Z in * by ring.
      assert (W1 : wide w (a + b * row_norm r)) by (eapply wide_less; [|exact W]; lia).
      destruct (Z.eqb_spec c 0) as [->|_].
      * destruct (IH (a + b * row_norm r)%Z rs into W ltac:(lia) Hrs) as [R RE].
        { eapply Forall_impl; [|exact F]. intros p; apply fits_more; lia. }
        split; [exact R|]. intros l x. rewrite RE. cbn [lane_list List.map dot nth]. rewrite lane_0 by exact V0. fold (lane_list w l cs). lra.
      * destruct (scatter_row_ok w a b c r into W1 A (conj V0 V) Hc Hr F) as [S SE].
        destruct (IH (a + b * row_norm r)%Z rs (scatter_row c r into) W ltac:(lia)) as [R RE]; auto.
        { rewrite scatter_row_length. exact Hrs. }
        split; [exact R|]. intros l x. rewrite RE, SE. cbn [lane_list List.map dot nth]. fold (lane_list w l cs). lra.
Qed.

(** [norm] is [map_norm m]. *)
Definition through (n : nat) (m : map) (norm : Z) (b : block) : block :=
  Block (scale b + unit m) (width b) (bound b * norm) (scatter (vlist (packs b)) (rows m) (vmake n 0%Z)).

Lemma dot_repeat_0 w l n x : (0 < w)%Z -> dot (lane_list w l (repeat 0%Z n)) x = 0.
Proof.
  intros W. apply dot_zeros. intros c I. unfold lane_list in I. apply in_map_iff in I as (p & <- & J).
  apply repeat_spec in J. subst. apply lane_0; exact W.
Qed.

Lemma through_ok n m b : good b -> wide (width b) (bound b * map_norm m) -> forallb (row_fits n) (rows m) = true ->
  good (through n m (map_norm m) b) /\
  forall l x, block_value l (through n m (map_norm m) b) x = block_value l b (fun i => p2 (unit m) * row_value (nth i (rows m) []) x).
Proof.
  intros [V F] W H. pose proof (proj1 V) as V0.
  destruct (scatter_ok (width b) 0 (bound b) (vlist (packs b)) (rows m) (vmake n 0%Z)) as [R RE]; auto.
  - lia.
  - unfold vlength, vmake; cbn. rewrite repeat_length. exact H.
  - cbn. apply Forall_forall. intros p I. apply repeat_spec in I. subst. apply fits_0. lia.
  - split; [split; [exact W|exact R]|]. intros l x. unfold block_value, through; cbn [scale width packs].
    rewrite RE, dot_scal, p2_add. cbn [vmake vlist]. rewrite dot_repeat_0 by exact V0. lra.
Qed.

(** Σ c_i·b_i, packed. *)
Fixpoint dot_bias (cs : list Z) (bs : list Z) (sum : Z) : Z :=
  match cs, bs with
  | c :: cs, d :: bs => dot_bias cs bs (if (c =? 0)%Z then sum else (sum + c * d)%Z)
  | _, _ => sum
  end.

Lemma dot_bias_ok w a b cs bs sum : wide w (a + b * bias_norm bs) -> (0 <= a)%Z -> wide w b ->
  Forall (fits_in w lanes b) cs -> fits_in w lanes a sum ->
  fits_in w lanes (a + b * bias_norm bs) (dot_bias cs bs sum) /\
  forall l, IZR (lane w lanes l (dot_bias cs bs sum)) =
    IZR (lane w lanes l sum) + dot (lane_list w l cs) (fun i => IZR (nth i bs 0%Z)).
Proof.
  intros W A V C. revert a bs sum W A. induction C as [|c cs Hc C IH]; intros a bs sum W A S.
  - cbn [dot_bias]. pose proof (bias_norm_nonneg bs). destruct V as [V0 V].
    split; [destruct bs; (eapply fits_more; [|exact S]; nia)|]. intros; destruct bs; cbn; lra.
  - destruct bs as [|d bs].
    + change (bias_norm []) with 0%Z in *. cbn [dot_bias]. split; [eapply fits_more; [|exact S]; lia|].
      intros l. rewrite (dot_ext _ _ (fun i => 0 * 0)), dot_scal by (intros [|i]; cbn; lra). lra.
    + cbn [dot_bias]. change (bias_norm (d :: bs)) with (Z.abs d + bias_norm bs)%Z in *.
      pose proof (bias_norm_nonneg bs) as N. destruct V as [V0 V]. pose proof (Z.abs_nonneg d).
      assert (0 <= b * Z.abs d)%Z by nia. assert (0 <= b * bias_norm bs)%Z by nia.
      replace (a + b * (Z.abs d + bias_norm bs))%Z with (a + b * Z.abs d + b * bias_norm bs)%Z in * by ring.
      assert (W1 : wide w (a + b * Z.abs d)) by (eapply wide_less; [|exact W]; lia).
      destruct (Z.eqb_spec c 0) as [->|_].
      * destruct (IH (a + b * Z.abs d)%Z bs sum W ltac:(lia)) as [R RE]; [eapply fits_more; [|exact S]; lia|].
        split; [exact R|]. intros l. rewrite RE. cbn [lane_list List.map dot nth]. rewrite lane_0 by exact V0. fold (lane_list w l cs). lra.
      * destruct (lane_mul w lanes b c d (wide_less w (b * Z.abs d) (a + b * Z.abs d) ltac:(lia) W1) (conj V0 V) Hc) as [M ME].
        destruct (lane_add w lanes a (b * Z.abs d) sum (c * d) W1 A ltac:(lia) S M) as [T TE].
        destruct (IH (a + b * Z.abs d)%Z bs _ W ltac:(lia) T) as [R RE].
        split; [exact R|]. intros l. rewrite RE, TE, ME, plus_IZR, mult_IZR. cbn [lane_list List.map dot nth].
        fold (lane_list w l cs). lra.
Qed.

(** *** Where functionals begin *)

(** A number in one lane. *)
Lemma one_lane w b k m : (0 < w)%Z -> (k < lanes)%nat -> (Z.abs m <= b)%Z -> wide w b ->
  fits_in w lanes b (Z.shiftl m (Z.of_nat k * w)) /\
  forall l, lane w lanes l (Z.shiftl m (Z.of_nat k * w)) = if Nat.eqb k l then m else 0%Z.
Proof.
  intros W K B V. pose (ds := replace (repeat 0%Z lanes) k m).
  assert (L : length ds = lanes) by (unfold ds; rewrite replace_length, repeat_length; reflexivity).
  assert (F : Forall (fun d => (Z.abs d <= b)%Z) ds).
  { apply Forall_replace; auto. apply Forall_forall. intros d I. apply repeat_spec in I. rewrite I, Z.abs_0. lia. }
  assert (Z0 : forall n, encode w (repeat 0%Z n) = 0%Z) by (induction n; cbn; [auto|rewrite IHn, Z.shiftl_0_l; auto]).
  assert (E : encode w ds = Z.shiftl m (Z.of_nat k * w)).
  { unfold ds. clear ds L F. revert k K. induction lanes as [|n IH]; intros k K; [lia|]. destruct k as [|k]; cbn [repeat replace].
    - rewrite encode_cons, Z0 by lia. cbn. lia.
    - rewrite encode_cons, IH, !Z.shiftl_mul_pow2 by lia. replace (Z.of_nat (S k) * w)%Z with (Z.of_nat k * w + w)%Z by lia.
      rewrite Z.pow_add_r by lia. ring. }
  split; [exists ds; auto|]. intros l. rewrite <- E, (lane_encode w lanes b); auto. unfold ds. clear ds L F E Z0.
  revert k l K. induction lanes as [|n IH]; intros k l K; [lia|]. destruct k as [|k], l as [|l]; cbn [repeat replace nth Nat.eqb]; auto.
  - apply nth_repeat.
  - apply IH; lia.
Qed.

(** (lane, (tensor, element, coefficient)) *)
Definition term : Type := nat * nat * dy.
Definition seed_term : Type := nat * term.

Fixpoint seeds_value (l : nat) (s : list seed_term) (x : nat -> nat -> R) : R :=
  match s with
  | [] => 0
  | (k, (t, i, d)) :: s => (if Nat.eqb k l then val d * x t i else 0) + seeds_value l s x
  end.

Fixpoint place_seeds (t : nat) (w e : Z) (s : list seed_term) (into : vec Z) : option (vec Z) :=
  match s with
  | [] => Some into
  | (k, (t', i, d)) :: s =>
    match in_units e (Some d) with
    | Some m =>
      if Nat.eqb t' t && Nat.ltb i (vlength into) && Nat.ltb k lanes
      then place_seeds t w e s (vset into i (vget 0%Z into i + Z.shiftl m (Z.of_nat k * w))%Z) else None
    | None => None
    end
  end.

Definition seeds_norm (e : Z) (s : list seed_term) : Z :=
  fold_right (fun '(_, (_, _, d)) n => (match in_units e (Some d) with Some m => Z.abs m | None => 0 end + n)%Z) 0%Z s.

Definition seed_block (t n : nat) (s : list seed_term) : option block :=
  let e := match fold_left (fun e '(_, (_, _, d)) => low_exponent (Some d) e) s None with Some e => e | None => 0%Z end in
  let b := seeds_norm e s in
  let w := room b in
  match place_seeds t w e s (vmake n 0%Z) with
  | Some v => Some (Block e w b v)
  | None => None
  end.

Lemma seeds_norm_nonneg e s : (0 <= seeds_norm e s)%Z.
Proof.
  induction s as [|[k [[t i] d]] s IH]; cbn [seeds_norm fold_right]; [lia|]. fold (seeds_norm e s).
  destruct (in_units e (Some d)); lia.
Qed.

Lemma place_seeds_ok t w e a s into v : wide w (a + seeds_norm e s) -> (0 <= a)%Z ->
  Forall (fits_in w lanes a) (vlist into) -> place_seeds t w e s into = Some v ->
  Forall (fits_in w lanes (a + seeds_norm e s)) (vlist v) /\
  forall l x, p2 e * dot (lane_list w l (vlist v)) (x t) = p2 e * dot (lane_list w l (vlist into)) (x t) + seeds_value l s x.
Proof.
  revert a into. induction s as [|[k [[t' i] d]] s IH]; intros a into W A F E; cbn [place_seeds] in E.
  - injection E as <-. cbn [seeds_norm fold_right seeds_value] in *. rewrite Z.add_0_r. split; [exact F|intros; lra].
  - destruct (in_units e (Some d)) as [m|] eqn:U; [|discriminate].
    destruct (_ && _) eqn:C; [|discriminate]. apply andb_prop in C as [C Ck]. apply andb_prop in C as [Ct Ci].
    apply Nat.eqb_eq in Ct. apply Nat.ltb_lt in Ci, Ck. subst t'.
    cbn [seeds_norm fold_right] in *. rewrite U in *. fold (seeds_norm e s) in *.
    pose proof (seeds_norm_nonneg e s) as N. pose proof (Z.abs_nonneg m) as M0. rewrite Z.add_assoc in *.
    assert (W1 : wide w (a + Z.abs m)) by (eapply wide_less; [|exact W]; lia).
    destruct (one_lane w (Z.abs m) k m (proj1 W) Ck ltac:(lia) (wide_less w (Z.abs m) (a + Z.abs m) ltac:(lia) W1)) as [O OE].
    destruct (lane_add w lanes a (Z.abs m) (vget 0%Z into i) _ W1 A M0 (Forall_nth_default _ _ _ _ F Ci) O) as [S SE].
    apply (IH (a + Z.abs m)%Z) in E; [|exact W|lia|].
    2: { unfold vset; cbn [vlist]. apply Forall_replace; [|exact S]. eapply Forall_impl; [|exact F]. intros p; apply fits_more; lia. }
    destruct E as [R RE]. split; [exact R|]. intros l x. rewrite RE. cbn [seeds_value]. unfold vset; cbn [vlist]. unfold lane_list. rewrite map_replace.
    rewrite dot_replace by (rewrite map_length; exact Ci). rewrite SE, OE.
    rewrite (nth_indep _ 0%Z (lane w lanes l 0%Z)) by (rewrite map_length; exact Ci). rewrite map_nth. unfold vget.
    apply in_units_val in U. destruct (Nat.eqb k l).
    + replace (lane w lanes l (nth i (vlist into) 0) + m - _)%Z with m by ring. rewrite <- U. ring.
    + replace (lane w lanes l (nth i (vlist into) 0) + 0 - _)%Z with 0%Z by ring. lra.
Qed.

Lemma seed_block_ok t n s b : seed_block t n s = Some b ->
  good b /\ forall l x, block_value l b (x t) = seeds_value l s x.
Proof.
  unfold seed_block. set (e := match fold_left _ _ _ with Some e => e | None => 0%Z end).
  destruct (place_seeds _ _ _ _ _) as [v|] eqn:P; [|discriminate]. intros [= <-].
  pose proof (seeds_norm_nonneg e s) as N. assert (W : wide (room (seeds_norm e s)) (seeds_norm e s)) by (apply room_wide; lia).
  apply (place_seeds_ok _ _ _ 0) in P; auto; try lia.
  - destruct P as [F E]. split; [split; auto|]. intros l x. unfold block_value; cbn [scale width packs]. rewrite E.
    cbn [vmake vlist]. rewrite dot_repeat_0 by apply W. lra.
  - cbn. apply Forall_forall. intros p I. apply repeat_spec in I. subst. apply fits_0. lia.
Qed.

End Lanes.
