package testhapi;

import java.sql.DriverManager;

/** Runs one statement, to make or drop a test's own database, and prints the first value of an answer: -Ddb=JDBC-URL -Ddb.user= -Ddb.password= */
public final class Sql {

    public static void main(String[] args) throws Exception {
        String user = System.getProperty("db.user", "postgres");
        String password = System.getProperty("db.password", "");
        try (var connection = DriverManager.getConnection(System.getProperty("db"), user, password);
                var statement = connection.createStatement()) {
            if (statement.execute(args[0])) {
                try (var rows = statement.getResultSet()) {
                    if (rows.next()) {
                        System.out.println(rows.getString(1));
                    }
                }
            }
        }
    }

    private Sql() {}
}
