# English. Every locale has the same keys; a test compares them.

brand = Amanah
skip = Skip to the content
pages = Pages
made-by = Checked by Amanah, which attacks the running system on a schedule and shows what it found, good or bad.
machine-form = This page as JSON

verdict-failing = failing
verdict-unknown = unknown
verdict-stale = stale
verdict-attested = attested
verdict-proven = proven

meaning-failing = An attack got through, or a measurement is past its limit.
meaning-unknown = Nothing can be said: not built, not run, or not able to tell.
meaning-stale = It was proven, but too long ago to count.
meaning-attested = A person vouches for it with a dated document.
meaning-proven = It was attacked or measured on schedule, and it held.

standing = Where the promises stand
headline-failing =
    { $count ->
        [one] One of { $total } promises is failing.
       *[other] { $count } of { $total } promises are failing.
    }
headline-unknown =
    { $count ->
        [one] None is failing, but one of { $total } promises cannot be vouched for.
       *[other] None is failing, but { $count } of { $total } promises cannot be vouched for.
    }
headline-stale =
    { $count ->
        [one] None is failing, but one of { $total } promises was proven too long ago.
       *[other] None is failing, but { $count } of { $total } promises were proven too long ago.
    }
headline-attested =
    { $count ->
        [one] All { $total } promises stand; one of them on a person’s word.
       *[other] All { $total } promises stand; { $count } of them on a person’s word.
    }
headline-proven =
    { $total ->
        [one] The one promise is proven.
       *[other] All { $total } promises are proven.
    }
headline-none = This page promises nothing, so there is nothing to prove.
as-of = As of
since-broken = The oldest of these since
since-held = Unchanged since
past-note = This is the page as it stood in the past, rebuilt from the stored evidence.
past-now = Show it as it stands now
attention = What does not stand
since = since

moment-label = See the page as it stood at (UTC)
moment-hint = For example 2026-03-14T09:26:53Z
moment-show = Show

evidence = Evidence
evidence-intro = Every promise of this page, in its order, with the last result behind it.
evidence-language = What the controls report is written in English.
back = Back to the sentence
fact-population = Looked at
population = { $checked } of { $total }
population-none = nothing
fact-measured = Measured
measured-none = nothing
fact-threshold = Limit
threshold-none = none stated
fact-observed = Observed
fact-received = Stored
never = never
fact-since = So since
since-none = not known
fact-bite = Bite
bite-bit = It bit: the seeded violation was found
bite-missed = It did not bite: the seeded violation was missed
bite-unmade = It could not be made
bite-none = Not yet run
bite-attested = Does not apply: a person vouches for it
bite-about = A bite seeds the violation in a sandbox and runs the same attack there. A proof that cannot fail proves nothing.
parameters = Parameters
why = Why
reason-not-built = not built: no control proves this yet
reason-not-attested = not attested: nobody can vouch for this here yet
reason-not-run = not yet run
reason-no-bite = the proof held, and counts only once its bite has run: whether the control can fail is not yet shown
findings = What gave way
finding-object = Where
finding-what = What happened
finding-fix = What to do
finding-fix-none = not known
findings-more =
    { $count ->
        [one] And one more; the JSON lists them all.
       *[other] And { $count } more; the JSON lists them all.
    }
attack = How it is checked
attack-attested = By a person, with a dated document that has an owner and an expiry.
attack-none = It is not checked: no control is built for it yet.
not-covered = What this does not cover
not-covered-none = No limits are stated.
mismatch = The report does not fit the page: it was read while the page was being changed. Load it again.

trail-title = Checkpoints of the audit trail
trail-intro = Each of these states in a few lines everything that the trail has recorded so far. Keep one: whoever has it can tell later whether anything before it was changed.
trail-entries =
    { $count ->
        [one] one entry
       *[other] { $count } entries
    }
trail-signed = signed
trail-witness = Witness
trail-self = Self-attested: no witness outside of our hands keeps its checkpoints.

index-title = Security pages
index-intro = Each of these pages shows the live result behind every promise it makes.
index-none = No page is configured yet. Put a page into the folder of pages and load this again.

sign-in-title = Sign in
sign-in-email = E-mail address
sign-in-password = Password
sign-in-button = Sign in
sign-in-refused = That address and password do not go together. Nothing was changed. Check both and try again.
sign-in-busy = Too many sign-ins are being checked just now. Nothing was changed. Wait a moment and try again.
sign-in-later = That was tried too often. Nothing was changed. Wait a few minutes, sign in with a browser that you used before, or set a new password.

account-title = Your account
account-signed-in = You are signed in.
account-name = Name
account-actor = User
account-tenant = Tenant
account-role = Role
account-sign-out = Sign out

step-title = Second step
step-enrol = Your role asks for a second factor, and there is none yet. Set one up to go on.
step-code = Code of your authenticator app
step-recovery = Recovery code
step-code-or = Six digits from the app. Without it, one of your recovery codes; each is good once.
step-code-once = Each code is good once.
step-button = Go on
step-anew = Begin the sign-in anew
factor-wrong = This code is not right, or was used already. Wait for the next one and try again.
factor-passkey-refused = This passkey was not accepted. Nothing was changed. Try again.
factor-wait = There were too many wrong codes. Wait for a while, at most 15 minutes, and try again.
factor-last = A role of yours asks for this factor. Nothing was changed. Add another one first.
factor-none = There is no such factor on your account, or no more can be added. Nothing was changed.
factor-app-add = Set up an authenticator app
factor-key-add = Add a passkey or security key
factor-key-use = Use a passkey or security key

app-title = Authenticator app
app-scan = Scan this code with your authenticator app.
app-qr = QR code for your authenticator app
app-type = Or type this key:
app-code = The code that the app shows now
app-confirm = Confirm

codes-title = Recovery codes
codes-print = Print these codes and keep them away from your phone. Each opens your account once, after the password, when the app or key is lost.
codes-once = They are shown this once. Codes from before are void.
codes-on = I have kept them; go on

key-title = Passkey
key-how = The browser asks for your passkey or security key when you press the button.
key-script = Your browser does not run the one script that passkeys need. Use another way, or allow it.
key-failed = The browser gave no passkey. Nothing was changed. Try again.
key-name = Name of the key, for you

again-title = Is it you?
again-why = What you are about to do is sensitive, and you proved who you are more than ten minutes ago.
again-button = Confirm

security-title = Second factors
security-intro = A second factor keeps others out who have your password. Whenever you change one, every other session of yours ends.
security-app = Authenticator app
security-app-there = An app is set up.
security-app-none = No app is set up.
security-app-replace = Replace the app
security-remove = Remove
security-keys = Passkeys and security keys
security-keys-none = There are none.
security-made = made
security-used = last used
security-rename = Rename
security-codes = Recovery codes
security-codes-left =
    { $count ->
        [one] One code is left.
       *[other] { $count } codes are left.
    }
security-codes-new = Make new codes

reset-title = New password
reset-link = Forgotten your password?
reset-intro = Write the e-mail address of your account, and a letter goes there with a link that sets a new password.
reset-button = Send the letter
reset-asked = If there is an account with this address, a letter is on its way. Its link is good for 15 minutes. Look among the unwanted mail too, and ask again if nothing comes.
reset-busy = So many ask for letters just now that no more are taken. Nothing was sent. Wait a few minutes and ask again.
reset-done = Your new password is set, and everything that was open in your name was ended. Sign in with it.
link-over-title = This link is over
link-over = A link works once and for a short time, and only the newest one does. Nothing was changed. Ask for a new one.
link-another-title = Another link was opened
link-another = A link of another letter was opened in this browser after this form. Nothing was changed and what you wrote went nowhere. Open the link in your own letter again.

invitation-title = You are invited
invitation-by = Invited by
invitation-done = Your account is made. Sign in with your address and the password that you chose.

password-title = Password
password-intro = A new password ends every other session of yours.
password-current = Current password
password-new = New password
password-button = Set the password
password-changed = Your password was changed, and every other session of yours was ended.

sessions-title = Open sessions
sessions-browser = Browser
sessions-since = Opened (UTC)
sessions-seen = Last used (UTC)
sessions-end = End
sessions-this = this one
sessions-end-others = End all others
sessions-ended = Ended.
sessions-none = Nothing was ended: there is no such session any more. Those that are open now are listed here.

people-title = People
people-closed = closed
people-invited = Invited
people-until = Open until (UTC)
people-withdraw = Withdraw
people-withdrawn = The invitation was withdrawn, and its link is over.
people-invite = Invite
people-invite-done = A letter is on its way. Its link is good for 72 hours.
people-language = Language of the letter

trouble-password = This password is too short, too long, too easy to guess, or among those that were stolen elsewhere. Nothing was changed. Choose another one: several words that do not belong together are good.
trouble-wrong = The current password is not right. Nothing was changed. Try again.
trouble-field = An address, a name or a role cannot be taken as it is. Nothing was changed. Check what you wrote and send it again.
trouble-busy = Too many passwords are being worked on just now. Nothing was changed. Wait a moment and try again.
trouble-later = That was tried too often. Nothing was changed. Wait a few minutes and try again.

challenge-title = One moment
challenge-text = Very many visitors ask here just now. So that those who are signed in are served, others are asked to show that somebody waits for the page.
challenge-work = Your browser is computing a number. The page you asked for then comes by itself, within seconds.
challenge-patience =
    { $seconds ->
        [one] Wait for one second, then press the button.
       *[other] Wait for { $seconds } seconds, then press the button.
    }
challenge-button = Go on
challenge-cookie = A cookie remembers for half an hour or so that you were asked. It holds nothing about you.
challenge-again = That was too early, or was asked of somebody else. Nothing was done. Cookies have to be allowed for this.

error-not-found = There is nothing at this address
error-not-found-text = The page may have been renamed, or the address mistyped. Look for it in the list of pages.
error-method = This address is not asked that way
error-method-text = Nothing was changed. Go back and follow a link or send the form again.
error-moment = That is not a moment we can show
error-moment-text = Write a moment that has passed in the form 2026-03-14T09:26:53Z: the date, the letter T, the time, and Z for UTC. A plus sign in an address is written %2B.
error-moment-given = You asked for
error-bad-request = The request could not be read
error-bad-request-text = Nothing was changed. Go back, load the page again and send the form once more.
error-forged = The form did not come from this site
error-forged-text = Nothing was changed. The form was open for too long, or cookies are switched off. Load the form again and send it once more.
error-over = Your session has ended
error-over-text = It was ended in the moment in which you asked, by you elsewhere or by somebody else. Nothing was done. Sign in again.
error-too-large = The form is too large
error-too-large-text = Nothing was changed. Shorten what you wrote and send it again.
error-internal = Something went wrong on our side
error-internal-text = Nothing you sent was lost by trying. It has been logged. Try again, and tell whoever runs this site if it stays.
error-unavailable = This cannot be answered just now
error-unavailable-text = Nothing was changed, and nothing old is shown instead. It has been logged. Try again in a moment.
error-home = Go to the security page

# The keys of programs.
keys-title = Keys for programs
keys-what = A program shows a key instead of signing in. It can do no more than you can, and stops when you lose what it needs.
keys-made = This is the new key. Copy it now: it is not shown again, and nobody can read it back.
keys-none = You have no keys.
keys-name = Key
keys-ends = Ends
keys-used = Last used
keys-state = State
keys-state-good = good
keys-state-expired = expired
keys-state-revoked = revoked
keys-never = never
keys-scope-count = { $count ->
    [one] { $count } permission
   *[other] { $count } permissions
}
keys-end = Revoke
keys-new = Make a key
keys-for-what = What it is for
keys-for-whom = Whose it is
keys-for-me = my own
keys-days = Days until it ends, 365 at most
keys-scopes = Its permissions, with blanks between them; empty for all that you have
keys-permits = The permissions that you have
keys-make = Make the key
keys-form = The name or the number of days does not fit. Nothing was made. Write a name of up to 100 letters and 1 to 365 days.
keys-scope = A key cannot do what you may not do, and its permissions are written by their names. Nothing was made.
keys-refused = The key could not be made: there are too many, or your session has ended. End one that you do not need, or sign in again.
keys-service-new = Make a service
keys-service-what = A service is an account that nobody signs in to. It has keys and roles of its own, and you answer for it.
keys-service-name = Name of the service
keys-service-make = Make the service
keys-back = Back to your account
account-keys = Keys for programs
support-title = Access for support
support-inside = You are inside as support:
support-until = until
support-leave = Leave
support-answers-intro = Our support sees nothing of yours unless you let it in here. It ends by itself, you can end it at any moment, and every request that was made is listed.
support-ask-title = Ask to be let in
support-ask-intro = Somebody of that tenant has to approve. They see who you are, the ticket, your reason, and every request that you make.
support-tenant = Tenant
support-ticket = Ticket
support-reason = Reason
support-hours = Hours
support-scope = Scope
support-scope-ro = reading only
support-scope-rw = reading and writing
support-ask = Ask
support-none = Nothing was asked.
support-asked = waits for an answer
support-lapsed = was not answered in time
support-denied = was denied
support-live = support may enter
support-ended = was ended
support-over = is over
support-by = Asked by
support-asked-at = Asked
support-approved = Approved by
support-ended-by = Ended by
support-uses = Requests
support-approve = Let support in
support-deny = Deny
support-end = End it now
support-enter = Enter
support-refused = That is not yours to do. Nothing was changed.
support-gone = There is no such access here, or it is over. Nothing was changed.
support-unfit = That cannot be asked so. Nothing was changed. Write a tenant, a ticket, a reason, and 1 to 24 hours.
support-full = Too many questions wait there already. Nothing was changed. Take one back first.
support-uses-title = What support did
support-uses-intro = Every request that was let through under this access, the newest first. The trail has the same request ids.
support-uses-none = No request was made.
support-use-at = When
support-use-what = Request
support-use-request = Id
support-back = Back to the list

records-title = What was recorded
records-intro = Changes to your organisation's data, as the trail has them: who, when, what. Times are UTC. That you look is recorded too.
records-from = From
records-to = Until (now, if empty)
records-actor = By
records-table = Table
records-request = Request
records-look = Look
records-what = What
records-record = Record
records-insert = Added to
records-update = Changed in
records-delete = Removed from
records-before = Before
records-after = After
records-details = Content
records-nobody = nobody bound
records-erased = (its content was erased)
records-none = Nothing was recorded then.
records-more = There is more. These are the newest { $count }; choose a shorter time to see the others.
records-missing = A part of the trail could not be read, so something may be missing here.
records-unfit = That is no time or word to look for. Write the times as 2026-11-27T10:00, the first before the second, and neither in the future.
records-unguarded = Nothing is recorded here in a way that looking at it could be recorded as well, so nothing is shown.
records-too-much = There is too much to look through in that time, so nothing is shown. Choose a shorter one.
records-busy = Somebody of your organisation is looking just now. Try again in a few seconds.

leaving-title = Off-board somebody
leaving-intro = Every session, token, key, second factor and role of theirs ends at once and everywhere, and they cannot sign in again. It cannot be undone here.
leaving-email = E-mail address of who leaves
leaving-successor = E-mail address of who takes their services over, or they end too
leaving-button = End everything
leaving-done = Everything was ended for
leaving-left = This is still there. Send the form once more.
leaving-nobody = Nobody of your organisation has this address. Nothing was changed.
leaving-unfit = The successor has to be somebody else of your organisation. Nothing was changed.
leaving-refused = That is not yours to do: nobody off-boards themselves, or somebody who may do more. Nothing was changed.

review-title = Reviews of access
review-intro = A review freezes every role, access of support and key of a program at one moment. Keep or revoke each with a reason. Nobody decides about what they have themselves.
review-due = The next review is due until
review-late = The review is overdue. It was due until
review-open = To be decided
review-started = Begun by
review-rows = Rows
review-progress = { $decided } of { $rows } decided
review-see = See all of it
review-orphan = whoever has it is gone
review-kind = Kind
review-mapping = Role that a group gives
review-given = Given by
review-own = This is yours: somebody else decides.
review-keep = Keep
review-revoke = Revoke
review-revoke-again = Revoke it once more
review-close-intro = Everything is decided. Whoever closes the review signs it with their name.
review-finding = What was found, if anything
review-close = Close and sign
review-start = Start a review
review-past = Earlier reviews
review-frozen = Frozen at
review-ended = Ended
review-signed = Signed by
review-closed = closed by
review-abandoned = given up by
review-unsigned = nobody
review-sign = Sign it
review-report-title = Report of a review
review-csv = For a spreadsheet (CSV)
review-holder = Who
review-what = What
review-decision = Decision
review-waits = not decided yet
review-kept = kept
review-revoked = revoked, and seen to be gone
review-unverified = revoked, and not seen to be gone
review-back = Back to the reviews
review-refused = That is not yours to do. Nothing was changed.
review-gone = There is no such review or row here that is open. Nothing was changed.
review-unfit = Say why, in up to 1,000 letters. Nothing was changed.
review-is-open = A review is open already. Nothing was changed. Decide its rows first.
review-still-counts = It was revoked and still counts: it was given again meanwhile. The decision is kept. Revoke it once more.
review-undecided = Not every row is decided and every revocation verified. Nothing was changed.
review-more =
    { $count ->
        [one] One more row waits, and is shown when these are decided.
       *[other] { $count } more rows wait, and are shown when these are decided.
    }

people-back = Back to the people
roles-title = Roles
roles-intro = Your organisation can have roles of its own beside those that everybody has. Nobody puts into a role what they may not do themselves.
roles-new = Make a role
roles-own = Your organisation’s own
roles-none = There are none yet.
roles-for = Who should have it
roles-permits = Permissions
roles-parents = Has everything of
roles-parents-intro = It has everything that these roles have, also what they get later.
roles-holders = How many have it
roles-retire = Retire
roles-retire-anyway = Retire it anyway: they lose it
roles-in-use = This role is in use. Nothing was changed.
roles-shipped = Those that everybody has
roles-edit-title = A role
roles-edit-intro = Whoever has the role may do what is ticked, from the next request on.
roles-name = Name: letters and digits of ASCII, with single spaces or hyphens
roles-factor = How its holders prove who they are, at least
roles-find = Show the permissions with this word
roles-find-button = Find
roles-save = Save the role
roles-back = Back to the roles
roles-beyond = Nobody gives what they do not have themselves. Nothing was changed. You do not have:
roles-weak = A role that allows all that this one does has to ask for a second factor, too. Nothing was changed. Choose it, or leave something out:
roles-weak-key = A role that allows all that this one does has to ask for a security key, too. Nothing was changed. Choose it, or leave something out:
roles-strength = Only who signed in with a second factor can have this role ask for less. Nothing was changed. Sign in with one, and save again:
roles-strength-key = Only who signed in with a passkey or security key can have this role ask for less. Nothing was changed. Sign in with one, and save again:
roles-step-up = You proved who you are too long ago for this. Nothing was changed, and nothing that you wrote is lost. Confirm it on the page of your account in another tab, and save again.
roles-gone = Your organisation has no such role of its own. Nothing was changed.
roles-unfit = The name or another field cannot be used. Nothing was changed. A role needs a name and a word on who should have it.
roles-taken = There is a role with this name, or one that looks like it. Nothing was changed. Choose another name.
roles-cycle = The role would inherit from itself. Nothing was changed. Take one of the roles away that it has everything of.
roles-full = Your organisation has as many roles as it can have. Nothing was changed. Retire one first.
holder-title = Roles of
holder-yours = These are yours: somebody else of your organisation gives you roles, and takes them.
holder-confirm = Confirm who you are, to give or take roles
holder-has = What they may do
holder-none = They have no role.
holder-until = Until (UTC)
holder-take = Take
holder-more = It allows more than you may
holder-give = Give a role
holder-last = Last day, in UTC, or empty for as long as nobody takes it
holder-told = They are told by letter, and the role counts from the next request on. What is listed allows no more than you may yourself.
holder-had = What they had
holder-ended = Ended (UTC)
holder-given = The role was given, and counts from the next request on.
holder-taken = The role was taken, and counts for nothing from the next request on.
holder-own = Nobody gives or takes a role of their own. Nothing was changed. Ask somebody else of your organisation.
holder-held = They have this role already. Nothing was changed. To change its end, take it and give it again.
holder-not-held = They do not have this role any more. Nothing was changed.
holder-factor = This role asks for a second factor, and they have none. Nothing was changed. They set up an authenticator app or a passkey on the page of their account, and then it can be given.
holder-hardware = This role asks for a passkey or security key, and they have none. Nothing was changed. They set one up on the page of their account, and then it can be given.
holder-unfit = The reason or the last day cannot be used. Nothing was changed. Say why in up to 1,000 bytes, and choose a day that is not over.
holder-beyond = Nobody gives or takes a role that allows more than they may themselves. Nothing was changed. You do not have:
directory-title = Your directory
directory-intro = Your organisation's own directory (Entra ID, Okta) can make and end accounts here, and its groups can give roles. Whoever it deactivates is off-boarded at once.
directory-address = Address for the directory
directory-users = Users
directory-active = active
directory-groups = Groups
directory-group = Group
directory-members = Members
directory-none = The directory has sent no group yet.
directory-map = Give this role to the group
directory-unmap = Take away
directory-tokens = Tokens
directory-token = Token of your directory
directory-name = What it is for
directory-days = Days until it ends
directory-used = Last used
directory-make = Make a token
directory-made = Copy the token now. It is not shown again, and it ends when you are off-boarded.
directory-revoke = End
directory-done = Done.
directory-refused = That is not yours to do: nobody gives what they do not have. Nothing was changed.
directory-gone = That is not there any more. Nothing was changed.
directory-unfit = A token has a name of at most 100 bytes and lives for 1 to 365 days; at most 20 live at once. Nothing was changed.
