# Prepared transactions with changes of contacts: a crash, then COMMIT PREPARED or
# ROLLBACK PREPARED, then a refresh.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LiveNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = make_node('prepared');
$node->append_conf('postgresql.conf', "max_prepared_transactions = 10\nautovacuum = off\n");
$node->start;
make_database($node, 'crm');
$node->safe_psql('crm', <<'SQL');
SET client_min_messages = warning;
CREATE TABLE people (id int PRIMARY KEY, title text, size int, note text);
INSERT INTO people SELECT g, 'CEO', g FROM generate_series(1, 50) AS g;
CALL make_live('people', 'people');
SQL

# Each mode of lead_scoring.apply, each with changes that are committed and others
# that are rolled back. All touch other contacts, since prepared ones are locked.
my @modes = ('commit', 'statement', 'queue', 'off');
my $number = 0;
for my $mode (@modes)
{
    for my $end ('commit', 'rollback')
    {
        my $id = 10 + 5 * $number++;
        my ($result, $out, $error) = $node->psql('crm', <<"SQL");
SET lead_scoring.apply = $mode;
BEGIN;
INSERT INTO people VALUES (1000 + $id, 'CEO', 60), (2000 + $id, 'none', 1);
UPDATE people SET size = 99 WHERE id = $id;
SAVEPOINT a;
UPDATE people SET size = 1 WHERE id = $id + 1;
ROLLBACK TO a;
UPDATE people SET id = 3000 + $id WHERE id = $id + 2;
DELETE FROM people WHERE id = $id + 3;
PREPARE TRANSACTION '$mode, $end';
SQL
        is($result . $error, '0', "PREPARE TRANSACTION in mode $mode");
    }
}
# Nothing that concerns contacts: nothing to do.
$node->safe_psql('crm', q{BEGIN; UPDATE people SET note = 'x' WHERE id = 1; PREPARE TRANSACTION 'nothing'});
is_sound($node, 'crm', 'people', 'while transactions are prepared');
$node->safe_psql('crm', q{UPDATE people SET size = 51 WHERE id = 2});
is_sound_after_refresh($node, 'crm', 'people', 'other writes, and a refresh that does not wait');

$node->stop('immediate');
$node->start;
is($node->safe_psql('crm', 'SELECT count(*) FROM pg_prepared_xacts'), 9, 'prepared transactions survive a crash');
is_sound($node, 'crm', 'people', 'scores after the crash');
$node->safe_psql('crm', q{UPDATE lead_scoring.fit_rule SET points = 17 WHERE name = 'boss'});
$node->safe_psql('crm', q{UPDATE people SET size = 52 WHERE id = 3});

for my $gid (split /\n/, $node->safe_psql('crm', 'SELECT gid FROM pg_prepared_xacts ORDER BY gid'))
{
    my $verb = $gid =~ /rollback/ ? 'ROLLBACK' : 'COMMIT';
    $node->safe_psql('crm', "$verb PREPARED '$gid'");
    is(unsound($node, 'crm', 'people', 0), '', "$verb PREPARED: $gid");
}
is_sound_after_refresh($node, 'crm', 'people', 'all transactions ended');
is($node->safe_psql('crm', q{SELECT string_agg(id::text, ' ' ORDER BY id) FROM people WHERE id > 1000}),
    join(' ', map({ 1010 + 10 * $_ } 0 .. 3), map({ 2010 + 10 * $_ } 0 .. 3), map({ 3010 + 10 * $_ } 0 .. 3)),
    'what was committed is there, what was rolled back is not');

# A transaction that has notified could not be prepared: who is to be called is in the
# outbox all the same. One that commits does notify, once, unless it took it back.
$node->safe_psql('crm', <<'SQL');
INSERT INTO lead_scoring.action (model, name, condition, channel) VALUES ('people', 'call', 'total >= 20', 'calls');
CALL lead_scoring.refresh('people');
SQL
my $told = 'Asynchronous notification "calls" with payload "people"';
my $change = sub { my ($id, $end) = @_; $node->safe_psql('crm', <<"SQL") };
LISTEN calls;
BEGIN;
SET LOCAL lead_scoring.apply = statement;
INSERT INTO people VALUES ($id, 'CEO', 60), ($id + 1, 'CEO', 60);
INSERT INTO people VALUES ($id + 2, 'CEO', 60);
$end;
SQL
my $calls = sub { $node->safe_psql('crm', 'SELECT count(*) FROM people_outbox') };
unlike($node->safe_psql('crm', <<'SQL'), qr/calls/, 'a transaction that is prepared does not notify');
BEGIN;
SET LOCAL lead_scoring.apply = statement;
INSERT INTO people VALUES (8000, 'CEO', 60);
PREPARE TRANSACTION 'calls';
SQL
$node->safe_psql('crm', q{COMMIT PREPARED 'calls'});
is($calls->(), 1, 'but its action is in the outbox');
is(scalar(() = $change->(8010, 'COMMIT') =~ /\Q$told/g), 1, 'one that commits notifies once');
is($calls->(), 4, 'of three actions');
unlike($change->(8020, 'ROLLBACK'), qr/\Q$told/, 'one that rolls back does not');
unlike($node->safe_psql('crm', <<'SQL'), qr/\Q$told/, 'nor does one that takes it back');
LISTEN calls;
BEGIN;
SAVEPOINT a;
SET LOCAL lead_scoring.apply = statement;
INSERT INTO people VALUES (8030, 'CEO', 60);
ROLLBACK TO a;
COMMIT;
SQL
is(scalar(() = $node->safe_psql('crm', <<'SQL') =~ /\Q$told/g), 1, 'a subtransaction that commits does');
LISTEN calls;
BEGIN;
SAVEPOINT a;
SAVEPOINT b;
SET LOCAL lead_scoring.apply = statement;
INSERT INTO people VALUES (8040, 'CEO', 60);
RELEASE b;
RELEASE a;
COMMIT;
SQL
is($calls->(), 5, 'and its action is in the outbox');

# Lookups: a company changes, and a contact is linked to it, in prepared transactions;
# somebody links another while they are prepared.
$node->safe_psql('crm', <<'SQL');
SET client_min_messages = error;
CREATE TABLE company (id int PRIMARY KEY, size int);
CREATE TABLE staff (id int PRIMARY KEY, company_id int);
INSERT INTO company VALUES (1, 10), (2, 100), (3, 10);
INSERT INTO staff VALUES (1, 2), (2, 1), (3, 2), (4, 3), (5, 3);
SELECT lead_scoring.create_model('staff', 'staff', 'id');
SELECT lead_scoring.add_lookup('staff', 'company', 'company', 'id', 'company_id');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('staff', 'big', 'company.size > 50', 10);
SELECT lead_scoring.activate('staff');
BEGIN; UPDATE company SET size = 90 WHERE id = 1; UPDATE staff SET company_id = 1 WHERE id = 3; PREPARE TRANSACTION 'grow';
BEGIN; UPDATE company SET size = 5 WHERE id = 2; PREPARE TRANSACTION 'shrink';
SQL
my $staff = sub { $node->safe_psql('crm', "SELECT string_agg(total::text, ' ' ORDER BY contact_id) FROM staff_$_[0]") };
$node->safe_psql('crm', q{UPDATE staff SET company_id = 1 WHERE id = 4; UPDATE staff SET company_id = 2 WHERE id = 5});
is($staff->('scored'), '10 0 10 0 10', 'while companies are prepared, they are as they were');
$node->safe_psql('crm', q{CALL lead_scoring.refresh('staff')});
is($staff->('score'), '10 0 10 0 10', 'for a refresh, too');
$node->safe_psql('crm', q{COMMIT PREPARED 'grow'});
is($staff->('scored'), '10 10 10 10 10', 'one company has grown: at once in the view');
$node->safe_psql('crm', q{CALL lead_scoring.refresh('staff')});
is($staff->('score'), '10 10 10 10 10', 'and in the table after a refresh');
$node->safe_psql('crm', q{COMMIT PREPARED 'shrink'});
is($staff->('scored'), '0 10 10 10 0', 'the other has shrunk');
$node->safe_psql('crm', q{CALL lead_scoring.refresh('staff')});
is($staff->('score'), '0 10 10 10 0', 'and in the table after a refresh');
is($node->safe_psql('crm', q{SELECT count(*) FROM lead_scoring.verify('staff')}), 0, 'nothing is left over');

$node->stop;
done_testing();
